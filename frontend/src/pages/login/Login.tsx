import { useQueryClient } from '@tanstack/react-query';
import { useRouter, useSearch } from '@tanstack/react-router';
import { useState, type SubmitEvent } from 'react';

import { query } from '../../api/client';
import { Fault } from '../../parts/States';
import './login.css';

/** Name and password; afterwards the page that was asked for. */
export function Login() {
  const { to = '/' } = useSearch({ from: '/login' });
  const router = useRouter();
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const { mutate, error, isPending } = query.useMutation('post', '/api/v1/auth/login', {
    onSuccess: () => {
      client.clear();
      router.history.push(to);
    },
  });
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    mutate({ body: { name, password } });
  };
  return (
    <main className="login">
      <form className="panel stack" onSubmit={send}>
        <p className="row">
          <img src="/mark.svg" width="28" height="28" alt="" />
        </p>
        <h1>DECNET TTP</h1>
        <label className="field">
          Name
          <input
            value={name}
            onChange={(event) => setName(event.target.value)}
            autoComplete="username"
            autoFocus
            required
            maxLength={64}
          />
        </label>
        <label className="field">
          Password
          <input
            type="password"
            value={password}
            onChange={(event) => setPassword(event.target.value)}
            autoComplete="current-password"
            required
          />
        </label>
        {error !== null && <Fault error={error} />}
        <button type="submit" className="button main" disabled={isPending}>
          Log in
        </button>
        <p className="dim small">
          The first start printed the password of <code>admin</code>, once. Lost it? Run{' '}
          <code>decnet user add NAME --admin</code>.
        </p>
      </form>
    </main>
  );
}
