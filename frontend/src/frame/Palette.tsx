import { keepPreviousData } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useDeferredValue, useId, useState, type KeyboardEvent } from 'react';

import { query } from '../api/client';
import { Dialog } from '../parts/Dialog';
import { Hostile } from '../parts/Hostile';
import { Fault } from '../parts/States';
import { goal, type Hit } from './goal';
import { PLACES } from './places';
import './palette.css';

const LEAST_CHARACTERS = 2;

/** Search over everything, from every page. */
export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('');
  const [picked, setPicked] = useState(0);
  const wanted = useDeferredValue(text.trim());
  const navigate = useNavigate();
  const list = useId();
  const found = query.useQuery(
    'get',
    '/api/v1/search',
    { params: { query: { q: wanted } } },
    { enabled: wanted.length >= LEAST_CHARACTERS, placeholderData: keepPreviousData },
  );
  const isAsking = wanted.length >= LEAST_CHARACTERS;
  const places: Hit[] = PLACES.filter(({ name }) => name.toLowerCase().includes(wanted.toLowerCase())).map(
    ({ to, name }) => ({ kind: 'page', id: to, title: name }),
  );
  const hits = [...(isAsking ? (found.data?.items ?? []) : []), ...places];
  const go = (hit: Hit) => {
    onClose();
    void navigate(goal(hit) as never);
  };
  const walk = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key] ?? 0;
    if (step !== 0) {
      event.preventDefault();
      setPicked((picked + step + hits.length) % Math.max(1, hits.length));
    }
    const hit = hits[picked];
    if (event.key === 'Enter' && hit) go(hit);
  };
  return (
    <Dialog title="Search" onClose={onClose}>
      <input
        className="palette-text"
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={`${list}-${picked}`}
        aria-label="Search addresses, techniques, rules, hashes, commands"
        placeholder="198.51.100.7, T1105, wget, a SHA-256, R0113 …"
        value={text}
        maxLength={256}
        data-first
        onKeyDown={walk}
        onChange={(event) => {
          setText(event.target.value);
          setPicked(0);
        }}
      />
      {found.error && isAsking && <Fault error={found.error} retry={found.refetch} />}
      <ul id={list} role="listbox" aria-label="Found" className="palette-hits">
        {hits.map((hit, index) => (
          <li
            key={`${hit.kind} ${hit.id}`}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === picked}
            onPointerMove={() => setPicked(index)}
            onClick={() => go(hit)}
          >
            <span className="badge">{hit.kind}</span> <Hostile line text={hit.title} />
          </li>
        ))}
      </ul>
      {isAsking && found.data && hits.length === 0 && <p className="dim">Nothing of that was seen.</p>}
      {isAsking && found.data?.is_complete === false && (
        <p className="dim small">Only the newest events were looked at.</p>
      )}
    </Dialog>
  );
}
