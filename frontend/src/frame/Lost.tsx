import { Link } from '@tanstack/react-router';

import { Empty } from '../parts/States';

/** An address that leads nowhere. */
export function Lost() {
  return (
    <Empty>
      There is no such page. <Link to="/">Go to the overview</Link>, or search with Ctrl K.
    </Empty>
  );
}
