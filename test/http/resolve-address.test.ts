import { expect, test } from 'vitest';
import { addressResolver } from '../../src/http/resolve-address.ts';
import { Upstreams } from '../../src/registry/upstreams.ts';
import { makeUpstreams } from '../registry/operations/make-upstreams.ts';

const PROXIED = makeUpstreams(['docker.io', 'ghcr.io'], 'docker.io');

/** The upstreams that tests know, beside what is pushed here. */
function upstreams(): Upstreams {
  const sites = ['docker.io', 'ghcr.io'].map((name) => PROXIED.get(name));
  return new Upstreams(sites, 'docker.io', ['local']);
}

test.each([
  ['nginx', undefined, { name: 'docker.io/library/nginx', isHosted: false }],
  ['ghcr.io/owner/app', undefined, { name: 'ghcr.io/owner/app', isHosted: false }],
  ['owner/app', 'ghcr.io', { name: 'ghcr.io/owner/app', isHosted: false }],
  ['local/app', undefined, { name: 'local/app', isHosted: true }],
  ['local/app', 'ghcr.io', { name: 'ghcr.io/local/app', isHosted: false }],
  ['owner/app', 'unknown.example', undefined],
  ['UPPER/app', undefined, undefined],
  ['a b', undefined, undefined],
  ['', undefined, undefined],
])('"%s" in %s is %j', (path, namespace, repository) => {
  expect(addressResolver(upstreams())({ path, namespace })).toEqual(repository);
});
