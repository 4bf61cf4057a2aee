#!/usr/bin/env node
/** `leader-node` of the npm package: the program of `main.ts` by Node.js. */
import "./missing.ts";
import { main } from "../main.ts";
import { Deno } from "./deno.ts";

main(Deno.args).then(Deno.exit);
