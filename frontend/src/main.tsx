import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { api, whenLoggedOut } from './api/client';
import './design/tokens.css';
import './design/base.css';
import './parts/parts.css';
import { refresher } from './live/refresh';
import { Stream } from './live/stream';
import { StreamContext } from './live/useNews';
import { router } from './router';
import { dress } from './view/preferences';

const FRESH_MS = 15_000;
const CLIENT_FAULTS = { from: 400, below: 500 };

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: FRESH_MS,
      retry: (failures, error) => failures < 2 && !isRefusal(error),
    },
  },
});
const stream = new Stream('/api/v1/stream', refresher(client), () => api.GET('/api/v1/auth/me'));

function isRefusal(error: unknown): boolean {
  const status = (error as { status?: number } | null)?.status ?? 0;
  return status >= CLIENT_FAULTS.from && status < CLIENT_FAULTS.below;
}

whenLoggedOut(() => {
  const { pathname, href } = router.state.location;
  if (pathname !== '/login') void router.navigate({ to: '/login', search: { to: href } });
});
dress();

const place = document.getElementById('root');
if (place === null) throw new Error('index.html has no #root');
createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <StreamContext value={stream}>
        <RouterProvider router={router} />
      </StreamContext>
    </QueryClientProvider>
  </StrictMode>,
);
