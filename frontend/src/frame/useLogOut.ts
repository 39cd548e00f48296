import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useCallback } from 'react';

import { api } from '../api/client';

/** Ends the log-in, forgets what was shown, and goes to the log-in page. */
export function useLogOut(): () => void {
  const client = useQueryClient();
  const navigate = useNavigate();
  return useCallback(() => {
    void api.POST('/api/v1/auth/logout').finally(() => {
      client.clear();
      void navigate({ to: '/login' });
    });
  }, [client, navigate]);
}
