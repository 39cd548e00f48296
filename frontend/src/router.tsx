import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  retainSearchParams,
} from '@tanstack/react-router';

import { Frame } from './frame/Frame';
import { Lost } from './frame/Lost';
import { overviewSearch } from './pages/overview/search';
import { techniquesSearch } from './pages/techniques/search';
import { Fault } from './parts/States';
import { operationsSearch } from './pages/operations/search';
import { rulesSearch } from './pages/rules/search';
import { actorSearch, openSearch, replaySearch, sessionSearch } from './view/filters';
import { frameSearch } from './view/search';

/** Pages are loaded when they are first gone to. */
const root = createRootRouteWithContext()({ component: Outlet, notFoundComponent: Lost });

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: (raw: Record<string, unknown>): { to?: string } =>
    typeof raw['to'] === 'string' && /^\/(?!\/)/.test(raw['to']) ? { to: raw['to'] } : {},
  component: lazyRouteComponent(() => import('./pages/login/Login'), 'Login'),
});

const frame = createRoute({
  getParentRoute: () => root,
  id: 'frame',
  validateSearch: frameSearch,
  search: { middlewares: [retainSearchParams(['range', 'since', 'until', 'conf'])] },
  component: Frame,
  errorComponent: ({ error, reset }) => <Fault error={error} retry={reset} />,
});

const under = { getParentRoute: () => frame };

const pages = [
  createRoute({
    ...under,
    path: '/',
    validateSearch: overviewSearch,
    component: lazyRouteComponent(() => import('./pages/overview/Overview'), 'Overview'),
  }),
  createRoute({
    ...under,
    path: '/techniques',
    validateSearch: techniquesSearch,
    component: lazyRouteComponent(() => import('./pages/techniques/Techniques'), 'Techniques'),
  }),
  createRoute({
    ...under,
    path: '/techniques/$id',
    component: lazyRouteComponent(() => import('./pages/techniques/Technique'), 'Technique'),
  }),
  createRoute({
    ...under,
    path: '/identities',
    validateSearch: actorSearch,
    component: lazyRouteComponent(() => import('./pages/identities/Identities'), 'Identities'),
  }),
  createRoute({
    ...under,
    path: '/identities/$uuid',
    validateSearch: openSearch,
    component: lazyRouteComponent(() => import('./pages/identities/Identity'), 'Identity'),
  }),
  createRoute({
    ...under,
    path: '/attackers',
    validateSearch: actorSearch,
    component: lazyRouteComponent(() => import('./pages/attackers/Attackers'), 'Attackers'),
  }),
  createRoute({
    ...under,
    path: '/attackers/$uuid',
    validateSearch: openSearch,
    component: lazyRouteComponent(() => import('./pages/attackers/Attacker'), 'Attacker'),
  }),
  createRoute({
    ...under,
    path: '/sessions',
    validateSearch: sessionSearch,
    component: lazyRouteComponent(() => import('./pages/sessions/Sessions'), 'Sessions'),
  }),
  createRoute({
    ...under,
    path: '/sessions/$uuid',
    validateSearch: replaySearch,
    component: lazyRouteComponent(() => import('./pages/sessions/Session'), 'Session'),
  }),
  createRoute({
    ...under,
    path: '/campaigns',
    validateSearch: actorSearch,
    component: lazyRouteComponent(() => import('./pages/campaigns/Campaigns'), 'Campaigns'),
  }),
  createRoute({
    ...under,
    path: '/campaigns/$uuid',
    validateSearch: openSearch,
    component: lazyRouteComponent(() => import('./pages/campaigns/Campaign'), 'Campaign'),
  }),
  createRoute({
    ...under,
    path: '/rules',
    validateSearch: rulesSearch,
    component: lazyRouteComponent(() => import('./pages/rules/Rules'), 'Rules'),
  }),
  createRoute({
    ...under,
    path: '/operations',
    validateSearch: operationsSearch,
    component: lazyRouteComponent(() => import('./pages/operations/Operations'), 'Operations'),
  }),
] as const;

export const router = createRouter({
  routeTree: root.addChildren([login, frame.addChildren(pages)]),
  scrollRestoration: true,
  defaultPreload: 'intent',
  defaultErrorComponent: ({ error, reset }) => <Fault error={error} retry={reset} />,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
