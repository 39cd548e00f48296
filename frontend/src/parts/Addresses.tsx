import { Hostile } from './Hostile';

/** The first addresses of somebody, and how many more there are. */
export function Addresses({ addresses, of }: { addresses: readonly string[]; of: number }) {
  return (
    <>
      {addresses.map((address, index) => (
        <span key={address}>
          {index > 0 && ', '}
          <Hostile line text={address} />
        </span>
      ))}
      {of > addresses.length && <span className="dim"> and {of - addresses.length} more</span>}
    </>
  );
}
