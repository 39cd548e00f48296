/** Sessions in lanes, one per decoy. */

export interface LaneSession {
  uuid: string;
  decoy: string;
  protocol: string;
  started_at: number;
  last_event_at: number;
}

export interface Lane<T> {
  decoy: string;
  sessions: readonly T[];
}

/** Sessions by decoy: the decoy that was visited first stands first. */
export function lanesOf<T extends LaneSession>(sessions: readonly T[]): Lane<T>[] {
  const lanes = new Map<string, T[]>();
  for (const session of sessions.toSorted((one, other) => one.started_at - other.started_at)) {
    const lane = lanes.get(session.decoy);
    if (lane) lane.push(session);
    else lanes.set(session.decoy, [session]);
  }
  return [...lanes].map(([decoy, own]) => ({ decoy, sessions: own }));
}

/** Sessions of a lane in rows in which none covers another, at most `most` rows; what does not fit shares the last. */
export function rowsOf(sessions: readonly LaneSession[], most: number): number[] {
  const ends: number[] = [];
  return sessions.map((session) => {
    const free = ends.findIndex((end) => end < session.started_at);
    const row = free >= 0 ? free : Math.min(ends.length, most - 1);
    ends[row] = Math.max(ends[row] ?? 0, session.last_event_at);
    return row;
  });
}
