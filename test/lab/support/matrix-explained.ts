import { labelOf, type Outcome } from './matrix-table.ts';

/** A client's or server's own defect: which cells it makes red, and how it comes. */
interface Explanation {
  readonly concerns: (outcome: Outcome) => boolean;
  readonly text: string;
}

const EXPLANATIONS: readonly Explanation[] = [
  {
    // Whatever went wrong on the client's side would be something else.
    concerns: ({ client, operation, error }) =>
      client === 'ncftp' && operation === 'resume' && /^\s*remote: there is\n/.test(error ?? ''),
    text: 'ncftp, resume: `ncftpget -z` resumes; `ncftpput -z` leaves a wrong file on the server, without sshferry as well.',
  },
  {
    concerns: ({ client, operation, server }) =>
      client === 'ncftp' && operation === 'list' && (server === 'pure-ftpd' || server === 'pyftpdlib'),
    text: 'ncftp, list: `ncftpls -1` sends `NLST -1`, which pure-ftpd and pyftpdlib answer with 550, without sshferry as well.',
  },
  {
    concerns: ({ client, operation, server, error }) =>
      client === 'inetutils ftp' &&
      operation === 'many' &&
      server === 'pure-ftpd' &&
      /^\s*local: there is\n/.test(error ?? ''),
    text: 'inetutils ftp, many: `mget *.bin` gets nothing from pure-ftpd ("Can\'t check for file existence"), without sshferry as well.',
  },
];

/** Why a red cell is red without sshferry, too. */
export function explanationOf(outcome: Outcome): string | undefined {
  return EXPLANATIONS.find(({ concerns }) => concerns(outcome))?.text;
}

/** Every explanation that the red cells need, once. */
export function explanations(outcomes: readonly Outcome[]): string[] {
  const red = outcomes.filter(({ error }) => error !== null);
  return [
    ...new Set(red.map((outcome) => explanationOf(outcome) ?? `${labelOf(outcome)}: ${outcome.error}`)),
  ];
}
