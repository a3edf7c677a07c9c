import { describe, expect, it } from "vitest";
import { RequestError } from "../../shared/http";
import { refusalOf } from "./find";

const refused = (text: string, status = 400) => refusalOf(new RequestError(status, "", text, ""));

describe("a refused query", () => {
  it("says what is wrong and where", () => {
    expect(refused("q: ')' at character 12 is not expected there")).toEqual({ text: "')' at character 12 is not expected there", place: 12 });
    expect(refused("q: a parenthesis is not closed")).toEqual({ text: "a parenthesis is not closed", place: null });
  });

  it("is not any other error", () => {
    expect(refused("unable to parse param 'start'")).toBeNull();
    expect(refused("q: slow", 504)).toBeNull();
    expect(refusalOf(new Error("q: x"))).toBeNull();
  });
});
