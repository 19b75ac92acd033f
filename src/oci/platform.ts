/** What a manifest of an index is for (image-spec image-index.md, "platform"). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | undefined;
}

const PLATFORM = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9._]+))?$/;

/** Reads `linux/amd64` or `linux/arm/v7`; undefined for anything else. */
export function parsePlatform(text: string): Platform | undefined {
  const [, os, architecture, variant] = PLATFORM.exec(text) ?? [];
  return os && architecture ? { os, architecture, variant } : undefined;
}

/** Is this platform one of those wanted? Nothing wanted in particular: every one is. A variant counts where it is given. */
export function isWantedPlatform(platform: Platform | undefined, wanted: readonly Platform[]): boolean {
  if (wanted.length === 0) return true;
  if (!platform) return false;
  return wanted.some(
    ({ os, architecture, variant }) =>
      os === platform.os &&
      architecture === platform.architecture &&
      (variant === undefined || variant === (platform.variant ?? defaultVariant(architecture))),
  );
}

/** containerd's platforms.Normalize: arm64 without a variant is v8, arm is v7. */
function defaultVariant(architecture: string): string | undefined {
  return { arm64: 'v8', arm: 'v7' }[architecture];
}
