import { Outlet } from '@tanstack/react-router';
import { useState } from 'react';

import { useFollowing } from '../live/useNews';
import { usePreferences } from '../view/preferences';
import { useView } from '../view/useView';
import './frame.css';
import { Inspector } from './Inspector';
import { KeysHelp } from './KeysHelp';
import { Palette } from './Palette';
import { Rail } from './Rail';
import { TopBar } from './TopBar';
import { useKeys } from './useKeys';

/** What stands around every page: rail, top bar, the drawer with a tag, search. */
export function Frame() {
  const { rail } = usePreferences();
  const { search } = useView();
  const [open, setOpen] = useState<'search' | 'keys' | null>(null);
  useFollowing();
  useKeys({ search: () => setOpen('search'), keys: () => setOpen('keys') });
  return (
    <div className="frame" data-rail={rail}>
      <a className="skip" href="#page">
        Skip to the page
      </a>
      <Rail />
      <TopBar onSearch={() => setOpen('search')} onKeys={() => setOpen('keys')} />
      <main id="page" tabIndex={-1}>
        <Outlet />
      </main>
      {search.tag !== undefined && <Inspector key={search.tag} address={search.tag} />}
      {open === 'search' && <Palette onClose={() => setOpen(null)} />}
      {open === 'keys' && <KeysHelp onClose={() => setOpen(null)} />}
    </div>
  );
}
