import type { Dispatcher } from 'undici';
import { AddressGuard, type ResolveHost } from './address-guard.ts';
import { createDispatcher, type DispatcherOptions } from './dispatcher.ts';
import { ReceiveMemory } from './receive-memory.ts';

/** Where a registry is, and how it may be reached. */
interface LineOptions extends DispatcherOptions {
  readonly name: string;
  readonly url: URL;
  readonly allowHosts: readonly string[];
  /** What its connections receive into, shared with others; default: memory of its own. */
  readonly memory?: ReceiveMemory;
}

/** The way to one registry: where it is, what its connections may lead to, and they themselves. */
interface Line {
  /** Ends with a slash. */
  readonly url: URL;
  readonly guard: AddressGuard;
  /** Whoever opened the line has to destroy it. */
  readonly dispatcher: Dispatcher;
  /** Bodies are in it. */
  readonly memory: ReceiveMemory;
}

/** Connects to nothing yet. */
export function openLine(options: LineOptions, { resolve }: { readonly resolve?: ResolveHost }): Line {
  const { allowHosts, name: upstream, proxy } = options;
  const url = new URL(options.url.href.replace(/\/*$/, '/'));
  const isProxied = proxy !== undefined;
  const guard = new AddressGuard({ upstream, url, allowHosts, isProxied, ...(resolve && { resolve }) });
  const { memory = new ReceiveMemory() } = options;
  return { url, guard, dispatcher: createDispatcher(options, guard, memory), memory };
}
