// Manager start: the modules that `weldr start` loads while the first worker is booting.
export { findConfig } from '../config/find.ts';
export { loadConfig } from '../config/load.ts';
export { readOverrides } from '../config/overrides.ts';
export { openLog } from '../core/log/log.ts';
export { version } from '../core/package/version.ts';
export { Manager } from '../core/process/manager.ts';
export { collectStartGarbage } from '../core/process/start-garbage.ts';
