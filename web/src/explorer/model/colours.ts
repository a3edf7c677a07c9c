/**
 * One colour per service, the same on every page: a place in the palette of `explorer.css`, which has it for light and dark.
 * The name decides the place, so that a service looks the same tomorrow; only where two names fall on one place does
 * the later one move on.
 */

export const COLOURS = 20;

const places = new Map<string, number>();
const taken = new Set<number>();

function hash(name: string): number {
  let value = 2166136261;
  for (let i = 0; i < name.length; i++) value = Math.imul(value ^ name.charCodeAt(i), 16777619);
  return (value ^ (value >>> 15)) >>> 0;
}

/** The place of a service's colour, 0 to `COLOURS` - 1. */
export function colourPlace(service: string): number {
  const known = places.get(service);
  if (known !== undefined) return known;
  let place = hash(service) % COLOURS;
  // A step that shares no factor with the palette reaches every place, and lands far away in hue.
  while (taken.has(place) && taken.size < COLOURS) place = (place + 7) % COLOURS;
  places.set(service, place);
  taken.add(place);
  return place;
}

/** The colour for styles: a CSS variable, so that it follows the theme. */
export function serviceColour(service: string): string {
  return `var(--service-${colourPlace(service)})`;
}
