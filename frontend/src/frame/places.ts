/** The pages of the rail, with the letter that leads there after `g`. */
export const PLACES = [
  { to: '/', name: 'Overview', key: 'o' },
  { to: '/identities', name: 'Identities', key: 'i' },
  { to: '/attackers', name: 'Attackers', key: 'a' },
  { to: '/sessions', name: 'Sessions', key: 's' },
  { to: '/campaigns', name: 'Campaigns', key: 'c' },
  { to: '/techniques', name: 'Techniques', key: 't' },
  { to: '/rules', name: 'Rules', key: 'r' },
  { to: '/operations', name: 'Operations', key: 'x' },
] as const;
