// Print what AsyncAPI's own parser says of the documents in the list on standard input.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

for (const text of JSON.parse(readFileSync(0, "utf8"))) {
  const { document, diagnostics } = await new Parser().parse(text);
  for (const { code, message, path } of diagnostics)
    if (code !== "asyncapi-latest-version") console.log(code, path.join("."), message);
  if (document) console.log(`${document.channels().length} channels`);
}
