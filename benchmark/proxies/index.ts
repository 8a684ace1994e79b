// All compared proxies; nginx is the reference.
import { caddy } from './caddy.ts';
import { haproxy } from './haproxy.ts';
import { nginx } from './nginx.ts';
import { nodeProxies } from './node.ts';
import type { ComparedProxy } from './proxy.ts';
import { weldr } from './weldr.ts';

/** The proxy whose figures are 1. */
export const reference = nginx;

export const proxies: readonly ComparedProxy[] = [nginx, haproxy, caddy, weldr, ...nodeProxies];
