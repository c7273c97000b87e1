import { assertEquals } from "@std/assert";
import { SETTINGS } from "../../src/config/settings.ts";
import { findSimilar } from "../../src/runtime/similar_names.ts";

const NAMES = SETTINGS.map(({ name }) => name);

Deno.test("findSimilar() finds a setting that is two letters away, and the nearest of several", () => {
  const meant = {
    ALLOWED_ORIGIN: "ALLOWED_ORIGINS",
    ALLOW_ORIGINS: "ALLOWED_ORIGINS",
    "allowed_origins": "ALLOWED_ORIGINS",
    ADMIN_SECRETS: "ADMIN_SECRET",
    REDIS_URI: "REDIS_URL",
    PUBLIC_KEY_JWT: "PUBLIC_KEY_JWK",
    MAX_CONECTIONS: "MAX_CONNECTIONS",
  };
  for (const [name, setting] of Object.entries(meant)) {
    assertEquals(findSimilar(name, NAMES), setting, name);
  }
});

Deno.test("findSimilar() leaves the names of other programs alone", () => {
  const others = ["HOME", "POST", "HOSTS", "PATH", "PWD", "LOGNAME", "SHELL", "REDIS_HOST", "X"];
  for (const name of [...others, "ADMIN_TOKEN", "MAX_PEERS", ""]) {
    assertEquals(findSimilar(name, NAMES), undefined, name);
  }
});

Deno.test("findSimilar() finds a short name where it is told to, if one letter differs", () => {
  const names = ["limits", "turn", "path", "consumerAuth"];
  for (
    const [name, meant] of Object.entries({
      limit: "limits",
      TURNS: "turn",
      consumerauth: "consumerAuth",
    })
  ) {
    assertEquals(findSimilar(name, names, 4), meant, name);
  }
  for (const name of ["port2", "tour", "lim"]) assertEquals(findSimilar(name, names, 4), undefined);
});

Deno.test("findSimilar() finds a name whatever two letters of it differ", () => {
  for (const known of NAMES.filter((name) => name.length > 8)) {
    for (let first = 0; first < known.length; first++) {
      for (let second = first + 1; second < known.length; second++) {
        const letters = [...known];
        letters[first] = letters[second] = "#";
        assertEquals(findSimilar(letters.join(""), [known]), known);
        letters[first] = letters[second] = "";
        assertEquals(findSimilar(letters.join(""), [known]), known);
      }
    }
  }
});
