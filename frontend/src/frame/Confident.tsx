import type { Schemas } from '../api/client';
import { confidence } from '../view/numbers';
import { When } from '../parts/When';

interface Props {
  tag: Schemas['Tag'];
  rule: Schemas['RuleDetails'];
}

/** How the confidence of a tag came about, step by step. */
export function Confident({ tag, rule }: Props) {
  const stated = rule.emits.find(
    (one) =>
      one.tactic === tag.tactic &&
      one.technique_id === tag.technique_id &&
      (one.sub_technique_id ?? null) === tag.sub_technique_id,
  );
  const { state, measured } = rule;
  const isNewer = rule.rule_version !== tag.rule_version;
  return (
    <ul className="reasons">
      {stated && (
        <li>
          Version {rule.rule_version} of the rule states {confidence(stated.confidence)}
          {tag.confidence !== stated.confidence && `; this tag has ${confidence(tag.confidence)}`}.
        </li>
      )}
      {isNewer && <li>The tag was written by version {tag.rule_version}.</li>}
      {state.mode === 'clipped' && state.confidence_max !== null && (
        <li>
          New tags are at most {confidence(state.confidence_max)}
          {state.expires_at !== null && (
            <>
              {' '}
              until <When us={state.expires_at} />
            </>
          )}
          : {state.reason || 'no reason was given'}.
        </li>
      )}
      {state.mode === 'disabled' && <li>The rule is disabled now: {state.reason || 'no reason was given'}.</li>}
      {measured?.precision != null && (
        <li>
          On labelled lines it was right {measured.right} of {measured.labelled} times; {measured.false_alarms} of{' '}
          {measured.ordinary} ordinary lines made it fire.
        </li>
      )}
    </ul>
  );
}
