import { useMemo, useRef, type KeyboardEvent, type ReactNode } from 'react';

import { useMatrix, useNames } from '../api/matrix';
import type { Schemas } from '../api/client';
import { confidencePaint, share } from '../design/heat';
import { confidence, count } from '../view/numbers';
import { EvidenceLines } from './EvidenceLines';
import { Spark } from './Spark';
import './technique-tree.css';
import { treeOf, weightOf, type Branch } from './tree';
import { When } from './When';

interface Props {
  scope: 'attacker' | 'identity' | 'campaign' | 'session';
  uuid: string;
  seen: readonly Schemas['Seen'][];
  activity?: readonly Schemas['TechniqueDay'][] | undefined;
  /** Keys of the branches whose evidence lies open. */
  open: readonly string[];
  onOpen: (keys: readonly string[]) => void;
}

const TACTIC_LEVEL = 1;
const TECHNIQUE_LEVEL = 2;
const SUB_LEVEL = 3;

/** Tactic, technique, sub-technique with counts and times; Enter opens the lines that prove one. */
export function TechniqueTree({ scope, uuid, seen, activity, open, onOpen }: Props) {
  const { data: matrix } = useMatrix();
  const names = useNames();
  const frame = useRef<HTMLDivElement>(null);
  const tree = useMemo(
    () => treeOf(seen, matrix?.tactics.map((tactic) => tactic.id) ?? [], activity),
    [seen, matrix, activity],
  );
  const most = Math.max(1, ...tree.flatMap((tactic) => tactic.techniques.map(weightOf)));
  const isLong = tree.some((tactic) => tactic.techniques.some((one) => one.days.length > 1));
  const turn = (key: string) => onOpen(open.includes(key) ? open.filter((one) => one !== key) : [...open, key]);

  const walk = (event: KeyboardEvent<HTMLElement>, key?: string) => {
    if (event.target !== event.currentTarget) return;
    const isOpen = key !== undefined && open.includes(key);
    const opens = event.key === 'Enter' || event.key === ' ' || event.key === (isOpen ? 'ArrowLeft' : 'ArrowRight');
    if (opens && key !== undefined) turn(key);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      const rows = [...(frame.current?.querySelectorAll<HTMLElement>('[role=row][tabindex]') ?? [])];
      rows[rows.indexOf(event.currentTarget) + step]?.focus();
    }
    if (opens || step !== undefined) event.preventDefault();
  };

  const branchRows = (branch: Branch, level: number): ReactNode => {
    const isOpen = open.includes(branch.key);
    const name = branch.name || names.of(branch.id);
    return [
      <div
        key={branch.key}
        role="row"
        tabIndex={0}
        aria-level={level}
        aria-expanded={isOpen}
        data-level={level}
        onClick={(event) => {
          if (!(event.target as Element).closest('a')) turn(branch.key);
        }}
        onKeyDown={(event) => walk(event, branch.key)}
      >
        <span role="gridcell" className="tree-name">
          <i className="tree-turn" aria-hidden="true" />
          <b>{branch.id}</b> {name}
        </span>
        <span role="gridcell" className="number">
          {count(branch.count)}
        </span>
        <span role="gridcell" className="tree-bar" aria-label={`confidence ${confidence(branch.confidence)}`}>
          <i
            style={{
              width: `${share(weightOf(branch), most) * 100}%`,
              background: confidencePaint(branch.confidence).background,
            }}
          />
        </span>
        <span role="gridcell" className="number">
          {confidence(branch.confidence)}
        </span>
        {isLong && (
          <span role="gridcell">
            <Spark values={branch.days} label={`${branch.id} by day`} />
          </span>
        )}
        <span role="gridcell" className="dim">
          <When us={branch.firstSeen} />
        </span>
        <span role="gridcell" className="dim">
          <When us={branch.lastSeen} />
        </span>
      </div>,
      isOpen && (
        <div key={`${branch.key} lines`} role="row" className="tree-lines" data-level={level}>
          <div role="gridcell">
            <EvidenceLines scope={scope} uuid={uuid} technique={branch.id} tactic={branch.tactic} name={name} />
          </div>
        </div>
      ),
      ...branch.subs.map((sub) => branchRows(sub, SUB_LEVEL)),
    ];
  };

  return (
    <div ref={frame} className="tree" data-long={isLong} role="treegrid" aria-label="Techniques" aria-rowcount={-1}>
      <div role="row" className="tree-heads">
        {['Technique', 'Tags', 'Weight', 'Confidence', ...(isLong ? ['By day'] : []), 'First seen', 'Last seen'].map(
          (head) => (
            <span key={head} role="columnheader" className={isNumber(head) ? 'number' : undefined}>
              {head}
            </span>
          ),
        )}
      </div>
      {tree.map((tactic) => [
        <div
          key={tactic.id}
          role="row"
          tabIndex={0}
          aria-level={TACTIC_LEVEL}
          data-level={TACTIC_LEVEL}
          onKeyDown={(event) => walk(event)}
        >
          <span role="rowheader" className="tree-name">
            {tactic.name || names.of(tactic.id)} <span className="dim">{tactic.id}</span>
          </span>
          <span role="gridcell" className="number">
            {count(tactic.count)}
          </span>
        </div>,
        ...tactic.techniques.map((branch) => branchRows(branch, TECHNIQUE_LEVEL)),
      ])}
    </div>
  );
}

function isNumber(head: string): boolean {
  return head === 'Tags' || head === 'Confidence';
}
