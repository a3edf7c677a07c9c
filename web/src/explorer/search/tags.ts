/** Tags as one types them: `error=true http.route="/v1/order"`, the logfmt of Jaeger's search form. */

const PAIR = /([^\s="]+)(?:=("(?:[^"\\]|\\.)*"|[^\s"]*))?/g;

/** What was typed is no list of tags; the message says where. */
export class TagTextError extends Error {}

/**
 * Tags by key; a key alone means `true`.
 *
 * @throws TagTextError for a quote that is not closed, or a value without a key.
 */
export function parseTags(text: string): Record<string, string> {
  const tags: Record<string, string> = {};
  const left = text.replace(PAIR, (_, key: string, value: string | undefined) => {
    tags[key] = value === undefined ? "true" : value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
    return "";
  });
  if (left.trim()) throw new TagTextError(`write tags as key=value key2="a value"; not understood: ${left.trim()}`);
  return tags;
}

/** The text that `parseTags` reads back to the same tags. */
export function tagsText(tags: Record<string, string>): string {
  return Object.entries(tags)
    .map(([key, value]) => `${key}=${/^[^\s"\\]+$/.test(value) ? value : JSON.stringify(value)}`)
    .join(" ");
}
