/// What `drover check` looks for on the way to Postgres: replicas, and pools.
import PostgresClient

extension Configuration {
    /// What is worth knowing of the addresses; throws what cannot work with them.
    func checkPostgresAddresses() throws -> String {
        let address = try PostgresAddress(postgresURL)
        try checkPrimary(address, "DROVER_POSTGRES_URL")
        let pool = try PoolProbe.kind(of: address)
        guard !postgresDirectURL.isEmpty else {
            guard pool != .transactions else {
                throw CommandError(
                    "DROVER_POSTGRES_URL leads through a pool in transaction mode, which cannot carry session locks, LISTEN "
                        + "and DDL. Set DROVER_POSTGRES_DIRECT_URL to the server behind it")
            }
            return pool == .sessions ? ", through a pool in session mode" : ""
        }
        let direct = try PostgresAddress(postgresDirectURL)
        try checkPrimary(direct, "DROVER_POSTGRES_DIRECT_URL")
        guard try PoolProbe.kind(of: direct) != .transactions else {
            throw CommandError(
                "DROVER_POSTGRES_DIRECT_URL leads through a pool in transaction mode. Set it to the server behind it")
        }
        guard try PoolProbe.database(of: address) == PoolProbe.database(of: direct) else {
            throw CommandError(
                "DROVER_POSTGRES_URL and DROVER_POSTGRES_DIRECT_URL lead to different databases. Name the same in both")
        }
        return pool == .none ? ", with a direct address" : ", through a pool, with a direct address"
    }

    /// Refuses what would write to a replica, now or after a fail-over.
    private func checkPrimary(_ address: PostgresAddress, _ variable: String) throws {
        guard !address.namesSeveral || address.asksForPrimary else {
            throw CommandError(
                "\(variable) names several hosts but not which of them to use. Add target_session_attrs=read-write")
        }
        let connection = try PostgresConnection(address, cutOff: PostgresCutOff())
        guard try connection.query("SELECT pg_is_in_recovery()").flag(0, 0) == false else {
            throw CommandError("\(variable) leads to a replica, which takes no writes. Name its primary, or promote it")
        }
    }
}

/// What stands between us and a server.
enum PoolProbe {
    /// How a pool shares its server connections.
    enum Kind {
        /// There is none.
        case none
        /// A client keeps its server connection until it goes.
        case sessions
        /// Each transaction may get another one.
        case transactions
    }

    /// Two clients that meet in one server process, or one client that meets two, have a pool in transaction mode. One whose
    /// server process is not the one it was told of has some pool.
    static func kind(of address: PostgresAddress) throws(PostgresError) -> Kind {
        let connections = [
            try PostgresConnection(address, cutOff: PostgresCutOff()),
            try PostgresConnection(address, cutOff: PostgresCutOff()),
        ]
        var met: [Set<Int64>] = [[], []]
        for _ in 0..<8 {
            for (index, connection) in connections.enumerated() {
                met[index].insert(try connection.query("SELECT pg_backend_pid()").integer(0, 0) ?? 0)
            }
        }
        if met[0].count > 1 || met[1].count > 1 || met[0] == met[1] { return .transactions }
        return met[0] == [Int64(connections[0].announcedProcess)] ? .none : .sessions
    }

    /// Tells one database from another, also of another server.
    static func database(of address: PostgresAddress) throws(PostgresError) -> String {
        let rows = try PostgresConnection(address, cutOff: PostgresCutOff()).query(
            "SELECT current_database() || ' ' || extract(epoch FROM pg_postmaster_start_time())::text")
        return rows.text(0, 0) ?? ""
    }
}
