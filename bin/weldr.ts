#!/usr/bin/env node
import { start } from './start.ts';

await start({ config: process.argv[2] });
