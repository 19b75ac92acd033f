#!/usr/bin/env node
import { runProgram } from './cli/program.ts';

// Whatever a library still holds open must not keep a stopped program alive.
process.exit(await runProgram(process.argv));
