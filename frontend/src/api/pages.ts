/** How lists that come in pages are asked on: `next` of one page is the `cursor` of the following one. */
export const PAGES = {
  pageParamName: 'cursor',
  // of undefined the client would make 0; null is left out of the question
  initialPageParam: null as unknown,
  getNextPageParam: (page: { next?: string | null }) => page.next ?? undefined,
};
