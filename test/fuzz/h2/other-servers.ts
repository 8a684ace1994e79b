// The servers that Weldr's reading of frames is compared with.
import { nodePartings, nodeResets, pythonPartings, pythonResets } from './allowed-differences.ts';
import type { OtherServer } from './frame-differential.ts';
import { readByNode } from './node-connection.ts';
import { readByPython } from './python-connection.ts';

/** nghttp2, behind node:http2. */
export const nghttp2: OtherServer = {
  name: 'nghttp2',
  batch: 256,
  read: readByNode,
  partings: nodePartings,
  resets: nodeResets,
};

/** Debian's python3-h2: one process for each batch. */
export const pythonH2: OtherServer = {
  name: 'python3-h2',
  batch: 2048,
  read: readByPython,
  partings: pythonPartings,
  resets: pythonResets,
};
