// What floating-ip needs of the machine, checked at the start, with the remedy in each message.
import { readFileSync, writeFileSync } from 'node:fs';
import { WeldrError } from '../../core/errors.ts';
import type { FloatingAddress } from './address.ts';
import type { AddressHolder } from './address-holder.ts';
import { run } from './command.ts';

/** Throws CONFIG_INVALID when addresses cannot be moved on this machine. Takes away what an earlier Weldr left. */
export async function checkPrerequisites(
  addresses: readonly FloatingAddress[],
  interfaceName: string,
  holder: AddressHolder,
): Promise<void> {
  if (process.platform !== 'linux') throw refusal('it works on Linux only');
  const link = await run('ip', ['link', 'show', 'dev', interfaceName]);
  if (link.missing) throw refusal('the command ip is missing; install iproute2');
  if (link.code !== 0) {
    throw refusal(
      `there is no interface ${interfaceName} (${link.error}); "ip link" lists them`,
      'interface',
    );
  }
  const obstacle = await holder.clear();
  if (obstacle !== undefined) {
    throw refusal(
      `addresses of ${interfaceName} cannot be changed (${obstacle}); run as root, or give Weldr the capabilities` +
        ' CAP_NET_ADMIN and CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW)',
    );
  }
  if (addresses.some(({ family }) => family === 4)) await checkArping(addresses, interfaceName);
  if (addresses.some(({ family }) => family === 6)) turnOnNotify(interfaceName);
}

/** A probe as of RFC 5227: it asks for the address and claims nothing. */
async function checkArping(addresses: readonly FloatingAddress[], interfaceName: string): Promise<void> {
  const [first] = addresses.filter(({ family }) => family === 4);
  if (first === undefined) return;
  const probe = await run('arping', ['-q', '-D', '-c', '1', '-w', '1', '-I', interfaceName, first.ip], {
    ms: 3000,
  });
  if (probe.missing)
    throw refusal('the command arping is missing; install iputils-arping (Debian) or iputils');
  if (/not permitted|Permission denied/i.test(probe.error)) {
    throw refusal(
      `arping may not send (${probe.error}); run as root, or give Weldr CAP_NET_RAW (systemd: AmbientCapabilities=)`,
    );
  }
}

/** Makes the kernel announce an IPv6 address when it comes (unsolicited neighbour advertisement, RFC 9131). */
function turnOnNotify(interfaceName: string): void {
  const path = `/proc/sys/net/ipv6/conf/${interfaceName}/ndisc_notify`;
  try {
    if (readFileSync(path, 'utf8').trim() === '1') return;
    writeFileSync(path, '1');
  } catch {
    throw refusal(
      `IPv6 addresses cannot be announced: ${path} cannot be set to 1; is IPv6 on? Else set the sysctl ` +
        `net.ipv6.conf.${interfaceName}.ndisc_notify=1 for good`,
    );
  }
}

function refusal(why: string, field = 'address'): WeldrError {
  return new WeldrError('CONFIG_INVALID', `floating-ip: ${why}`, { field });
}
