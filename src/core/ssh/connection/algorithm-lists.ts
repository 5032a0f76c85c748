/**
 * The four lists of SSH's negotiation (RFC 4253 7.1) that ssh_config can set, by ssh_config's
 * names.
 */
export type AlgorithmKind = 'Ciphers' | 'KexAlgorithms' | 'MACs' | 'HostKeyAlgorithms';

/** The lists of algorithms that ssh_config can set. PubkeyAcceptedAlgorithms is about user keys. */
export type AlgorithmList = AlgorithmKind | 'PubkeyAcceptedAlgorithms';
