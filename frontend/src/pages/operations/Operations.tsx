import { getRouteApi, Link } from '@tanstack/react-router';

import { useIsAdmin } from '../../frame/useMe';
import { Empty } from '../../parts/States';
import { Accounts } from './Accounts';
import { Audit } from './Audit';
import { Health } from './Health';
import './operations.css';
import { PARTS } from './search';
import { Webhooks } from './Webhooks';

const route = getRouteApi('/frame/operations');
const NAMES: Record<(typeof PARTS)[number], string> = {
  health: 'Health',
  access: 'Users and keys',
  webhooks: 'Webhooks',
  audit: 'Audit',
};

/** How the installation is, and who may do what with it. */
export function Operations() {
  const { part = 'health' } = route.useSearch();
  const isAdmin = useIsAdmin();
  return (
    <div className="stack">
      <h1>Operations</h1>
      <nav className="parts" aria-label="Parts of operations">
        {PARTS.filter((one) => one === 'health' || isAdmin).map((one) => (
          <Link
            key={one}
            to="/operations"
            search={(old) => ({ ...old, part: one })}
            aria-current={part === one ? 'page' : undefined}
          >
            {NAMES[one]}
          </Link>
        ))}
      </nav>
      {part === 'health' && <Health />}
      {part !== 'health' && !isAdmin && <Empty>Only administrators see this.</Empty>}
      {isAdmin && part === 'access' && <Accounts />}
      {isAdmin && part === 'webhooks' && <Webhooks />}
      {isAdmin && part === 'audit' && <Audit />}
    </div>
  );
}
