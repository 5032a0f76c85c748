/** The one account of the demo's servers. */
export const USER = 'demo';
export const PASSWORD = 'demo';
