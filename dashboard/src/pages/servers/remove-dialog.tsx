// Asks before servers are removed.
import { isOwn, remove } from '../../data/changes.ts';
import { plural } from '../../data/format.ts';
import { nameOf, type Server } from '../../data/server.ts';
import { Dialog } from '../../parts/dialog.tsx';

interface RemoveDialogProps {
  readonly servers: readonly Server[];
  readonly onClose: () => void;
}

export function RemoveDialog({ servers, onClose }: RemoveDialogProps) {
  const [only] = servers;
  const name =
    servers.length === 1 && only !== undefined ? nameOf(only.id) : plural(servers.length, 'server');
  const inFlight = servers.reduce((sum, server) => sum + (server.inFlight ?? 0), 0);
  const isLost = servers.some(({ facts }) => facts === undefined || isOwn(facts.layer));
  const go = (how: 'when empty' | 'now') => (): void => {
    void remove(servers, how);
    onClose();
  };
  return (
    <Dialog title={`Remove ${name}?`} onClose={onClose}>
      <p>
        {servers.length === 1 ? 'It gets' : 'They get'} no new requests.{' '}
        {inFlight === 0
          ? 'There are no requests in flight.'
          : `${plural(inFlight, 'request')} in flight may finish first.`}
      </p>
      <p class="muted">
        {isLost
          ? 'Settings made at run time are lost. This cannot be undone.'
          : servers.length === 1
            ? 'It stays removed until you add it again, even though the config or a source lists it.'
            : 'They stay removed until you add them again, even though the config or a source lists them.'}
      </p>
      <footer>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        {inFlight > 0 && (
          <button type="button" class="danger" onClick={go('now')}>
            Cut requests and remove
          </button>
        )}
        <button type="button" class="danger primary" onClick={go('when empty')}>
          Remove
        </button>
      </footer>
    </Dialog>
  );
}
