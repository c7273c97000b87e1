/**
 * Finds fields of a JSON body that are likely meant as another, such as `room` for `subject`, so that
 * their values are not ignored without a word. Every other unknown field is the caller's own.
 */

/** A name is compared without its case and separators; a longer one is nobody's slip. */
const MAX_NAME_LENGTH = 32;

/** Other names that callers give a field, by the field; in lower case, without separators. */
export type OtherNames = Readonly<Record<string, readonly string[]>>;

/**
 * Says which fields are meant as another.
 *
 * @param body The body of a request.
 * @param otherNames The fields of the route, each with the names that it is mistaken for.
 * @returns A sentence that names both, or `undefined` if there is no such field.
 */
export function findMistakenFields(body: object, otherNames: OtherNames): string | undefined {
  const fields = Object.keys(otherNames);
  const mistakes: string[] = [];
  for (const name of Object.keys(body)) {
    if (name.length > MAX_NAME_LENGTH || fields.includes(name)) continue;
    const plain = simplify(name);
    const meant = fields.find((field) =>
      simplify(field) === plain || otherNames[field]?.includes(plain)
    );
    if (meant !== undefined) mistakes.push(`\`${name}\`: use \`${meant}\``);
  }
  return mistakes.length === 0
    ? undefined
    : `There is no field ${mistakes.join(", and no field ")}`;
}

/** `node_id`, `nodeID` and `Node-Id` are one name. */
function simplify(name: string): string {
  return name.toLowerCase().replaceAll(/[\s._-]/g, "");
}
