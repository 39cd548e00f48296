import { Fragment, useMemo, useState, type CSSProperties } from 'react';

import type { Schemas } from '../../api/client';
import { countPaint } from '../../design/heat';
import { Axis } from '../../parts/Axis';
import { Hostile } from '../../parts/Hostile';
import { scaleOver } from '../../parts/timescale';
import { IdentityLink, short } from '../../parts/Who';
import { count } from '../../view/numbers';
import { usePreferences } from '../../view/preferences';
import { length, moment } from '../../view/time';
import { connectorsOf, depthOf, lanesOf, layoutOf, phaseInWords, type Connector } from './swim';
import './campaign.css';

const SIZES = { row: 15, gap: 14, least: 36 };
const MOST_LANES = 40;

/** A lane per identity, in it its phases as spans of time; hand-offs lead from lane to lane. */
export function Swim({ campaign }: { campaign: Schemas['CampaignDetail'] }) {
  const [isWhole, setWhole] = useState(false);
  const [pointed, setPointed] = useState<Connector | null>(null);
  const { zone } = usePreferences();
  const every = useMemo(() => lanesOf(campaign.spans), [campaign.spans]);
  const lanes = useMemo(() => (isWhole ? every : every.slice(0, MOST_LANES)), [every, isWhole]);
  const scale = useMemo(
    () => scaleOver(campaign.spans.flatMap((span) => [span.first_seen, span.last_seen])),
    [campaign.spans],
  );
  const layout = useMemo(() => layoutOf(lanes, SIZES), [lanes]);
  const connectors = useMemo(
    () => connectorsOf(campaign.hand_offs, layout, scale.at),
    [campaign.hand_offs, layout, scale],
  );
  const members = new Map(campaign.members.map((member) => [member.uuid, member]));
  return (
    <>
      <div className="swim">
        <span />
        <Axis scale={scale} />
        <div className="swim-names" style={{ height: layout.height }}>
          {lanes.map((lane) => (
            <div key={lane.identity} style={{ top: layout.tops.get(lane.identity) }}>
              <IdentityLink uuid={lane.identity} />
              <p className="small dim">
                <Hostile line text={(members.get(lane.identity)?.addresses ?? []).join(' ')} />
              </p>
            </div>
          ))}
        </div>
        <div className="swim-water" style={{ height: layout.height }}>
          {scale.ticks.map((tick) => (
            <i key={tick} className="tick" style={{ left: `${scale.at(tick)}%` }} />
          ))}
          {lanes.map((lane) => {
            const top = layout.tops.get(lane.identity) ?? 0;
            return (
              <Fragment key={lane.identity}>
                <i className="swim-line" style={{ top }} />
                {lane.rows.map((row, index) => {
                  const y = top + SIZES.gap / 2 + index * SIZES.row;
                  const paint = countPaint(depthOf(row.phase));
                  const first = row.stretches[0];
                  return (
                    <Fragment key={row.phase}>
                      {row.stretches.map((stretch) => (
                        <span
                          key={stretch.since}
                          role="img"
                          className="swim-span"
                          aria-label={`${short(lane.identity)}: ${phaseInWords(row.phase)} from ${moment(stretch.since, zone)}, ${length(stretch.until - stretch.since)}, ${count(stretch.count)} tags`}
                          title={`${phaseInWords(row.phase)} from ${moment(stretch.since, zone)}, ${length(stretch.until - stretch.since)}, ${count(stretch.count)} tags`}
                          style={{
                            top: y + 2,
                            left: `${scale.at(stretch.since)}%`,
                            width: `${scale.at(stretch.until) - scale.at(stretch.since)}%`,
                            background: paint.background,
                          }}
                        />
                      ))}
                      {first && (
                        <span
                          className="swim-phase"
                          aria-hidden="true"
                          style={{ top: y, ...beside(scale.at(first.since), scale.at(first.until), paint.color) }}
                        >
                          {phaseInWords(row.phase)}
                        </span>
                      )}
                    </Fragment>
                  );
                })}
              </Fragment>
            );
          })}
          <svg className="swim-ways" viewBox={`0 0 100 ${layout.height}`} preserveAspectRatio="none" aria-hidden="true">
            {connectors.map((one) => (
              <path
                key={keyOf(one)}
                d={wayOf(one)}
                data-pointed={one === pointed}
                onPointerEnter={() => setPointed(one)}
              />
            ))}
          </svg>
          {connectors.map((one) => (
            <Fragment key={keyOf(one)}>
              <i className="swim-left" style={{ left: `${one.from.x}%`, top: one.from.y }} />
              <button
                type="button"
                className="swim-taken"
                aria-label={`Hand-off from ${short(one.handOff.giver_uuid)} to ${short(one.handOff.taker_uuid)}`}
                style={{ left: `${one.to.x}%`, top: one.to.y }}
                onPointerEnter={() => setPointed(one)}
                onFocus={() => setPointed(one)}
              />
            </Fragment>
          ))}
        </div>
      </div>
      <p className="swim-why" aria-live="polite">
        {pointed === null ? (
          <span className="dim">
            {connectors.length === 0
              ? 'No visit was taken over from another.'
              : 'Lines are hand-offs: one left something on a decoy, another took it up there within a day. Point at one to see why.'}
          </span>
        ) : (
          <Why {...pointed} />
        )}
      </p>
      {every.length > lanes.length && (
        <button type="button" className="button small" onClick={() => setWhole(true)}>
          Show all {count(every.length)} identities
        </button>
      )}
    </>
  );
}

function Why({ handOff }: Connector) {
  const { zone } = usePreferences();
  return (
    <>
      <b>{short(handOff.giver_uuid)}</b> left persistence or a channel on <Hostile line text={handOff.decoy} /> at{' '}
      {moment(handOff.left_at, zone)}; <b>{short(handOff.taker_uuid)}</b> looked around or moved on there{' '}
      {length((handOff.taken_at ?? handOff.left_at) - handOff.left_at)} later. Weight {handOff.weight.toFixed(2)}.
    </>
  );
}

function keyOf({ handOff }: Connector): string {
  return `${handOff.session_uuid} ${handOff.taker_uuid}`;
}

/** Down or up in a bow that leaves and arrives level. */
function wayOf({ from, to }: Connector): string {
  const middle = (from.x + to.x) / 2;
  return `M${from.x} ${from.y} C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`;
}

const [FAR_LEFT, FAR_RIGHT] = [20, 80];

/** The name of a row stands behind its first span, or before it, or on it: where there is room. */
function beside(since: number, until: number, onSpan: string): CSSProperties {
  if (until < FAR_RIGHT) return { left: `calc(${until}% + 8px)` };
  if (since > FAR_LEFT) return { right: `calc(${100 - since}% + 8px)` };
  return { left: `calc(${since}% + 8px)`, color: onSpan };
}
