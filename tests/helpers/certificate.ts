/** A certificate for the servers of a test, made with openssl. */

/** A certificate for `localhost` and 127.0.0.1 that is its own authority. */
export interface Certificate {
  readonly pem: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Both in one file. */
  readonly bundleFile: string;
}

/** Makes a certificate in a folder. */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const certificateFile = `${folder}/certificate.pem`;
  const keyFile = `${folder}/key.pem`;
  const bundleFile = `${folder}/bundle.pem`;
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const extensions = [
    "subjectAltName=DNS:localhost,IP:127.0.0.1",
    "basicConstraints=critical,CA:FALSE",
  ]
    .flatMap((extension) => ["-addext", extension]);
  const { success } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-days", "2", "-subj", "/CN=localhost"],
      ...["-keyout", keyFile, "-out", certificateFile, ...key, ...extensions],
    ],
    stderr: "null",
  }).output();
  if (!success) throw new Error("openssl failed");
  const pem = await Deno.readTextFile(certificateFile);
  await Deno.writeTextFile(bundleFile, pem + await Deno.readTextFile(keyFile));
  return { pem, certificateFile, keyFile, bundleFile };
}
