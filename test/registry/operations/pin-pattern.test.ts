import { describe, expect, test } from 'vitest';
import { compileImageGlob } from '../../../src/oci/glob.ts';
import { OperationError } from '../../../src/registry/operations/operation-error.ts';
import { pinPattern } from '../../../src/registry/operations/pin-pattern.ts';
import { makeUpstreams } from './make-upstreams.ts';

const upstreams = makeUpstreams(['docker.io', 'ghcr.io', 'registry.example:5000'], 'docker.io', ['local']);
const digest = `sha256:${'ab'.repeat(32)}`;

describe('a pin in full', () => {
  test.each([
    ['debian', 'docker.io/library/debian'],
    ['debian:12', 'docker.io/library/debian:12'],
    ['debian:*', 'docker.io/library/debian:*'],
    ['debian:12*-slim_X', 'docker.io/library/debian:12*-slim_X'],
    [`debian@${digest}`, `docker.io/library/debian@${digest}`],
    ['bitnami/redis:7', 'docker.io/bitnami/redis:7'],
    ['library/debian:12', 'docker.io/library/debian:12'],
    ['docker.io/debian:12', 'docker.io/library/debian:12'],
    ['docker.io/library/debian:*', 'docker.io/library/debian:*'],
    ['docker.io/**', 'docker.io/**'],
    ['docker.io/**:latest', 'docker.io/**:latest'],
    ['docker.io/*', 'docker.io/library/*'],
    ['index.docker.io/library/debian', 'docker.io/library/debian'],
    ['registry-1.docker.io/debian', 'docker.io/library/debian'],
    ['ghcr.io/app', 'ghcr.io/app'],
    ['ghcr.io/owner/*:v*', 'ghcr.io/owner/*:v*'],
    ['registry.example:5000/app:1', 'registry.example:5000/app:1'],
    ['registry.example:5000/app', 'registry.example:5000/app'],
    ['local/app:v*', 'local/app:v*'],
    ['local/**', 'local/**'],
    ['local', 'docker.io/library/local'],
    ['**/debian:12', '**/debian:12'],
    ['*/library/*', '*/library/*'],
    ['*.io/**', '*.io/**'],
    ['**:v1', '**:v1'],
    ['deb*', 'docker.io/library/deb*'],
    ['*:latest', 'docker.io/library/*:latest'],
  ])('%j is %j', (text, expected) => {
    expect(pinPattern(text, upstreams)).toBe(expected);
  });

  test('is one that has been put in full before', () => {
    for (const text of ['debian:12', 'docker.io/**', 'ghcr.io/app', 'registry.example:5000/app:1', '**/debian']) {
      const full = pinPattern(text, upstreams);
      expect(pinPattern(full, upstreams)).toBe(full);
    }
  });

  test.each([
    ['debian:12', 'docker.io/library/debian', ['12']],
    ['docker.io/*:latest', 'docker.io/library/debian', ['latest']],
    [`debian@${digest}`, 'docker.io/library/debian', []],
    ['debian', 'docker.io/library/debian', []],
    ['registry.example:5000/app:1', 'registry.example:5000/app', ['1']],
  ])('%j holds the image that a pull of it brings', (text, repository, tags) => {
    expect(compileImageGlob(pinPattern(text, upstreams))(repository, { tags, digest })).toBe(true);
  });

  test.each([
    '',
    ' ',
    'deb ian',
    'Debian',
    'debian:a b',
    'debian:12!',
    'debian@',
    'debian@latest',
    'debian@md5:ab',
    'debian@sha256:',
    `debian@${digest.toUpperCase()}`,
    'docker.io/***',
    'debian\n',
  ])('cannot be %j', (text) => {
    expect(() => pinPattern(text, upstreams)).toThrow(expect.objectContaining({ code: 'INVALID' }) as Error);
  });

  test.each(['quay.io/app', 'localhost:5000/app', 'ghcr.io:443/app', 'quay.io/**'])(
    'cannot name an upstream that is not there, as %j does',
    (text) => {
      expect(() => pinPattern(text, upstreams)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }) as Error);
    },
  );

  test('has to name its registry where there is no default upstream', () => {
    const none = makeUpstreams(['ghcr.io'], undefined);
    expect(pinPattern('ghcr.io/owner/app', none)).toBe('ghcr.io/owner/app');
    expect(() => pinPattern('debian', none)).toThrow(OperationError);
    expect(() => pinPattern('owner/app', none)).toThrow(expect.objectContaining({ code: 'INVALID' }) as Error);
  });
});
