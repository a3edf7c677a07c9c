/**
 * One colour per service, the same on every page: a place in the palette of `palette.css`, which has it for light and dark.
 * The name decides the place; where two names fall on one place, the later one moves on. What was given once is remembered
 * in this browser, so that a service looks the same tomorrow.
 */

export const COLOURS = 20;
const KEY = "explorer.colours";
/** More names than this are not remembered: their colours repeat many times over anyway. */
const REMEMBERED_MAX = 200;

type Store = Pick<Storage, "getItem" | "setItem">;

/** Gives out places, and remembers them in a store. */
export class Palette {
  readonly #places: Map<string, number>;
  readonly #taken: Set<number>;

  constructor(readonly store: Store | null) {
    this.#places = new Map(Object.entries(remembered(store)));
    this.#taken = new Set(this.#places.values());
  }

  /** The place of a service's colour, 0 to `COLOURS` - 1. */
  placeOf(service: string): number {
    const known = this.#places.get(service);
    if (known !== undefined) return known;
    let place = hash(service) % COLOURS;
    // A step that shares no factor with the palette reaches every place, and lands far away in hue.
    while (this.#taken.has(place) && this.#taken.size < COLOURS) place = (place + 7) % COLOURS;
    this.#places.set(service, place);
    this.#taken.add(place);
    if (this.#places.size <= REMEMBERED_MAX) this.store?.setItem(KEY, JSON.stringify(Object.fromEntries(this.#places)));
    return place;
  }
}

function remembered(store: Store | null): Record<string, number> {
  try {
    const kept: unknown = JSON.parse(store?.getItem(KEY) ?? "{}");
    const pairs = Object.entries(kept ?? {}).filter(([, place]) => Number.isInteger(place) && place >= 0 && place < COLOURS);
    return Object.fromEntries(pairs) as Record<string, number>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return {}; // Not ours, or cut off: colours are given anew.
  }
}

function hash(name: string): number {
  let value = 2166136261;
  for (let i = 0; i < name.length; i++) value = Math.imul(value ^ name.charCodeAt(i), 16777619);
  return (value ^ (value >>> 15)) >>> 0;
}

const palette = new Palette(typeof localStorage === "undefined" ? null : localStorage);

/** The place of a service's colour in the palette of this browser. */
export function colourPlace(service: string): number {
  return palette.placeOf(service);
}

/** The colour for styles: a CSS variable, so that it follows the theme. */
export function serviceColour(service: string): string {
  return `var(--service-${colourPlace(service)})`;
}
