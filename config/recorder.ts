// Recorder: keeps the sources of a config and of what it imports by path while the manager reads them.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WeldrError } from '../core/errors.ts';
import type { ConfigRecording, RecordedModule } from '../core/process/config-source.ts';

/** The most characters of all sources of a config together. Each worker gets them in one message. */
const maxSize = 32 * 1024 * 1024;

/** The source of a module as Node's hooks pass it. */
export type ModuleSource = string | ArrayBuffer | NodeJS.TypedArray | null | undefined;

/** The recording of one reading, until it is sealed. */
export class Recorder {
  private readonly modules = new Map<string, RecordedModule>();
  private readonly imports = new Map<string, string>();
  private size = 0;
  private sealed = false;

  /** Keeps what an import led to. */
  resolved(request: string, url: string): void {
    if (!this.sealed) this.imports.set(request, url);
  }

  /** Keeps the source of a module. Throws CONFIG_INVALID when all sources together are too large. */
  read(url: string, format: string | undefined, source: ModuleSource): void {
    if (this.sealed || this.modules.has(url)) return;
    const text = textOf(url, format, source);
    if (text === undefined) return;
    this.size += text.length;
    if (this.size > maxSize) {
      throw new WeldrError(
        'CONFIG_INVALID',
        `the config and what it imports by path are larger than ${maxSize / 1024 / 1024} MB together, ` +
          `at ${fileURLToPath(url)}; read large data from a file where it is used`,
      );
    }
    this.modules.set(url, { url, format, source: text });
  }

  /** Ends the recording: later imports are not part of the config. */
  seal(): ConfigRecording {
    this.sealed = true;
    const recording = { modules: [...this.modules.values()], imports: [...this.imports] };
    // The module hooks keep the recorder until the process ends; its memory is freed with the recording.
    this.modules.clear();
    this.imports.clear();
    return recording;
  }
}

/** The source of a recorded module, for Node. */
export function sourceOf({ format, source }: RecordedModule): string | Buffer {
  return format === 'wasm' ? Buffer.from(source, 'base64') : source;
}

/** Undefined for files that Node opens itself, such as `.node` files. */
function textOf(url: string, format: string | undefined, source: ModuleSource): string | undefined {
  if (format === 'addon') return undefined;
  if (typeof source === 'string') return source;
  const bytes = source == null ? readFileSync(fileURLToPath(url)) : bytesOf(source);
  return format === 'wasm' ? bytes.toString('base64') : bytes.toString('utf8');
}

function bytesOf(source: ArrayBuffer | NodeJS.TypedArray): Buffer {
  return ArrayBuffer.isView(source)
    ? Buffer.from(source.buffer, source.byteOffset, source.byteLength)
    : Buffer.from(source);
}
