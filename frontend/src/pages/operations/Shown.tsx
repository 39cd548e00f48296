import { Dialog } from '../../parts/Dialog';

interface Props {
  what: string;
  secret: string;
  onClose: () => void;
}

/** A secret that is shown once: the server keeps only its digest. */
export function ShownOnce({ what, secret, onClose }: Props) {
  return (
    <Dialog title={what} onClose={onClose}>
      <p>It is not shown again. Keep it in a safe place.</p>
      <div className="row">
        <code className="mono secret">{secret}</code>
        <button type="button" className="button" onClick={() => void navigator.clipboard.writeText(secret)}>
          Copy
        </button>
      </div>
    </Dialog>
  );
}
