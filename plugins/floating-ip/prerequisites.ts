// Prerequisites: checks at the start what floating-ip needs of the machine; each message names the remedy.
import type { FloatingAddress } from './address.ts';
import type { AddressHolder } from './address-holder.ts';
import { run } from './command.ts';
import { canKeepDeadlines } from './deadline.ts';
import type { HolderLog, Refusal } from './orders.ts';

/** Removes what an earlier Weldr left; resolves with why addresses cannot be held on this machine, undefined: they can. */
export async function checkPrerequisites(
  addresses: readonly FloatingAddress[],
  interfaceName: string,
  holder: AddressHolder,
  log: HolderLog,
): Promise<Refusal | undefined> {
  if (process.platform !== 'linux') return refusal('it only works on Linux');
  const link = await run('ip', ['link', 'show', 'dev', interfaceName]);
  if (link.missing) return refusal('the command ip is missing; install iproute2');
  if (link.code !== 0) {
    return refusal(
      `there is no interface ${interfaceName} (${link.error}); "ip link" lists them`,
      'interface',
    );
  }
  const obstacle = await holder.clear();
  if (obstacle !== undefined) {
    return refusal(
      `addresses of ${interfaceName} cannot be changed (${obstacle}); run as root, or give Weldr the capabilities` +
        ' CAP_NET_ADMIN and CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW)',
    );
  }
  // Together, because the probe takes a second.
  const [keepsDeadlines, refused] = await Promise.all([
    canKeepDeadlines(),
    checkArping(addresses, interfaceName),
    holder.chooseFence(),
  ]);
  holder.keepsDeadlines = keepsDeadlines;
  if (!holder.keepsDeadlines) {
    if (addresses.some(({ family }) => family === 6)) {
      return refusal(
        'perl is missing, without which IPv6 addresses cannot be announced; install perl-base (Debian) or perl',
      );
    }
    log.warn(
      {},
      'perl is missing: if this machine freezes at the moment of a renewal, the address may come back for' +
        ' a moment when it continues; install perl-base (Debian) or perl',
    );
  }
  return refused;
}

/** Sends a probe (RFC 5227), which asks for the address and claims nothing; resolves with why that is impossible. */
async function checkArping(
  addresses: readonly FloatingAddress[],
  interfaceName: string,
): Promise<Refusal | undefined> {
  const [first] = addresses.filter(({ family }) => family === 4);
  if (first === undefined) return undefined;
  const probe = await run('arping', ['-q', '-D', '-c', '1', '-w', '1', '-I', interfaceName, first.ip], {
    ms: 3000,
  });
  if (probe.missing) {
    return refusal('the command arping is missing; install iputils-arping (Debian) or iputils');
  }
  if (/not permitted|permission denied|EPERM|EACCES/i.test(probe.error)) {
    return refusal(
      `arping may not send (${probe.error}); run as root, or give Weldr CAP_NET_RAW (systemd: AmbientCapabilities=)`,
    );
  }
  return undefined;
}

function refusal(why: string, field = 'address'): Refusal {
  return { text: `floating-ip: ${why}`, field };
}
