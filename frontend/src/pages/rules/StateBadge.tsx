import type { Schemas } from '../../api/client';
import { confidence } from '../../view/numbers';

const KINDS = { enabled: 'badge', clipped: 'badge warn', disabled: 'badge fault' } as const;

/** Whether a rule may speak, and how loudly. */
export function StateBadge({ state }: { state: Schemas['State'] }) {
  return (
    <span className={KINDS[state.mode]}>
      {state.mode}
      {state.mode === 'clipped' && state.confidence_max !== null && ` ≤ ${confidence(state.confidence_max)}`}
    </span>
  );
}
