export const PARTS = ['health', 'access', 'webhooks', 'audit'] as const;

/** What the address of operations may say. */
export interface OperationsSearch {
  part?: (typeof PARTS)[number];
}

export function operationsSearch(raw: Record<string, unknown>): OperationsSearch {
  const part = PARTS.find((one) => one === raw['part']);
  return part === undefined ? {} : { part };
}
