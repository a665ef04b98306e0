/// A second server that follows the first: streaming replication, and what a fail-over needs.

extension LocalPostgres {
    /// Makes a hot standby of `primary` by pg_basebackup, in a directory of its own, starts it and waits until it takes
    /// connections. It is not synchronous until `awaitReplicas` was called on the primary.
    public static func startReplica(
        of primary: LocalPostgres, settings: [String: String] = [:]
    ) throws(LocalServerError) -> LocalPostgres {
        let server = try LocalPostgres(directory: nil, durable: false, settings: settings, copying: primary)
        try server.start()
        return server
    }

    /// Lets every commit from now on wait for a replica (`synchronous_standby_names`), and waits until one streams.
    public func awaitReplicas() throws(LocalServerError) {
        try psql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        try psql("SELECT pg_reload_conf()")
        let deadline = ContinuousClock.now + .seconds(30)
        while try psql("SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')") == "0" {
            if ContinuousClock.now >= deadline {
                throw .notReady("the replica", within: .seconds(30), log: log)
            }
        }
    }

    /// Makes this replica a primary, and waits until it takes writes.
    public func promote() throws(LocalServerError) {
        try psql("SELECT pg_promote(true, 60)")
        guard try psql("SELECT pg_is_in_recovery()") == "f" else {
            throw .notReady("the promoted replica", within: .seconds(60), log: log)
        }
    }

    /// Where libpq finds whichever of `servers` takes writes, tried in order: one address with several hosts.
    public static func url(of servers: [LocalPostgres], database: String = initialDatabase) -> String {
        let hosts = servers.map { percentEncoded($0.socketDirectory) }.joined(separator: ",")
        return "postgresql://postgres@/\(percentEncoded(database))?host=\(hosts)&target_session_attrs=read-write"
    }
}
