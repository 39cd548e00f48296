/** Two colour scales that colour-blind people can read: one for counts, one for confidence. */

type Rgb = readonly [number, number, number];
const COUNTS: readonly Rgb[] = [
  [30, 45, 110],
  [28, 92, 135],
  [32, 140, 141],
  [72, 178, 122],
  [160, 208, 84],
  [247, 226, 74],
];
const CONFIDENCES: readonly Rgb[] = [
  [52, 44, 104],
  [104, 52, 140],
  [168, 64, 128],
  [220, 106, 100],
  [252, 180, 90],
];
/** Black: with anything lighter there are colours on which neither text has 4.5:1. */
const DARK_TEXT = '#000000';
const LIGHT_TEXT = '#ffffff';

export interface Paint {
  background: string;
  color: string;
}

/** The colour at `share` (0 to 1) of the scale for counts. */
export function countPaint(share: number): Paint {
  return paint(COUNTS, share);
}

/** The colour of a confidence (0 to 1). */
export function confidencePaint(value: number): Paint {
  return paint(CONFIDENCES, value);
}

/** How high `count` stands below `most`, by logarithm: one loud technique must not drown the others. */
export function share(count: number, most: number): number {
  return count <= 0 ? 0 : Math.log1p(count) / Math.log1p(Math.max(most, count));
}

/** Where a confidence stands on its scale: what is told is sure by half at least, and shall be told apart. */
export function confidenceShare(value: number): number {
  return (value - 0.5) / 0.5;
}

function paint(scale: readonly Rgb[], share: number): Paint {
  const at = Math.min(1, Math.max(0, share)) * (scale.length - 1);
  const low = Math.min(Math.floor(at), scale.length - 2);
  const [from, to] = [scale[low] ?? [0, 0, 0], scale[low + 1] ?? [0, 0, 0]];
  const mixed = from.map((part, channel) => Math.round(part + ((to[channel] ?? part) - part) * (at - low)));
  const rgb: Rgb = [mixed[0] ?? 0, mixed[1] ?? 0, mixed[2] ?? 0];
  return { background: `rgb(${rgb.join(' ')})`, color: textOn(rgb) };
}

/** Whichever of dark and light text has the higher contrast on `rgb`. */
export function textOn(rgb: Rgb): string {
  return contrast(luminance(rgb), 0) >= contrast(luminance(rgb), 1) ? DARK_TEXT : LIGHT_TEXT;
}

/** Contrast of two luminances (WCAG 2.2, "contrast ratio"). */
export function contrast(one: number, other: number): number {
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}

/** Relative luminance (WCAG 2.2, "relative luminance"). */
export function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
}
