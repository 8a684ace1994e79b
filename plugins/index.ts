// The built-in plugins, as `weldr/plugins` exports them.
export { type PoolFileOptions, poolFile } from './pool-file/index.ts';
