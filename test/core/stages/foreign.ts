// Values that a plugin may return or throw, and that are not what they seem, or cannot be looked at.
import { Pool, Upstream } from '../../../core/pool/pool.ts';
import { Reply, reply } from '../../../core/request/reply.ts';
import { Retry, retry } from '../../../core/request/retry.ts';
import { Route } from '../../../core/request/route.ts';
import { upstreamRecord } from '../../../core/testing.ts';

/** Throws, as these values do when they are looked at. */
export const fail = (): never => {
  throw new Error('looked at');
};

/** A Proxy whose every trap throws. */
export function hostile(target: object): object {
  const handler: ProxyHandler<object> = {};
  for (const trap of Object.getOwnPropertyNames(Reflect)) Reflect.set(handler, trap, fail);
  return new Proxy(target, handler);
}

/** A revoked Proxy. */
export function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** An object that `await` treats as a promise. */
export function thenable(then: (...args: never[]) => unknown, target: object = {}): object {
  return Object.defineProperty(target, 'then', { value: then });
}

/** A value, and how to make it. */
export type Foreign = readonly [name: string, make: () => unknown];

/** Objects with the shape or the prototype of the classes that stages take, but not made by them. */
export const forged: Foreign[] = [];
const pool = new Pool('forged');
const genuine: readonly (readonly [name: string, value: object, prototype: object])[] = [
  ['Reply', reply(200), Reply.prototype],
  ['Retry', retry(), Retry.prototype],
  ['Route', new Route('x', pool), Route.prototype],
  ['Pool', pool, Pool.prototype],
  ['Upstream', new Upstream('default', upstreamRecord('http://x:1')), Upstream.prototype],
];
for (const [name, value, prototype] of genuine) {
  forged.push(
    [`an object with the prototype of ${name}`, () => Object.create(prototype)],
    [`an object with prototype and fields of ${name}`, () => Object.assign(Object.create(prototype), value)],
    [`a Proxy of a ${name}`, () => new Proxy(value, {})],
    [`a Proxy of a ${name} that throws`, () => hostile(value)],
    [`a revoked Proxy of a ${name}`, () => revoked(value)],
  );
}

/** Values that cannot be looked at. */
export const opaque: readonly Foreign[] = [
  ['a Proxy that throws', () => hostile({})],
  ['a function Proxy that throws', () => hostile(() => {})],
  ['a revoked Proxy', () => revoked({})],
  ['an object whose conversion to a string throws', () => ({ toString: fail, [Symbol.toPrimitive]: fail })],
  ['an object whose then throws when it is read', () => Object.defineProperty({}, 'then', { get: fail })],
  ['a thenable whose then throws', () => thenable(fail)],
  ['a thenable whose then returns a value that throws', () => thenable(() => hostile({}))],
  [
    'a thenable that rejects in the background',
    () => thenable(() => Promise.reject(new Error('unhandled?'))),
  ],
  ['a function with then', () => thenable(fail, () => {})],
];
