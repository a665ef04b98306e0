/// Which groups there are.
import PostgresClient
import Tracking

extension AssignmentStore {
    /// The most groups in one answer.
    static let maximumGroups = 10_000

    /// A group and how many drivers belong to it.
    typealias Group = (id: DriverID, drivers: Int)

    /// Groups in the order of their ids: those that a scope names, by itself or by a prefix, or all where there is none. A
    /// group without drivers is none. A platform's look-up answers about names alone: there only groups that the scope
    /// names by themselves are found. Failure: Postgres cannot be asked.
    func groups(within scope: SubjectScope?, then: @escaping (Result<[Group], PostgresError>) -> Void) {
        let names = scope?.names.filter { $0.hasPrefix("group:") }
        if let names, names.isEmpty { return then(.success([])) }
        if let platform, DriverID("any").map({ platform.statement(for: .group($0)) }) != .some(nil) {
            return platform.drivers(of: (names ?? []).compactMap { Subject($0) }) { answer in
                then(answer.map { Self.groups(of: $0) })
            }
        }
        ownGroups(names, then: then)
    }

    private static func groups(of members: [Subject: [DriverID]]) -> [Group] {
        members.compactMap { subject, drivers in
            guard case .group(let id) = subject, !drivers.isEmpty else { return nil }
            return (id, drivers.count)
        }
        .sorted { $0.id.string < $1.id.string }
    }

    /// `names` as a scope has them; nil for all.
    private func ownGroups(_ names: [String]?, then: @escaping (Result<[Group], PostgresError>) -> Void) {
        let ids = (names ?? ["group:*"]).map { $0.dropFirst("group:".count) }
        let prefixes = ids.filter { $0.hasSuffix("*") }.map { $0.dropLast() }
        // The empty prefix, which string_to_array would not tell from none.
        let isEvery = prefixes.contains("")
        let sql = """
            SELECT group_id, count(*) FROM \(schema).driver_groups
            WHERE \(isEvery) OR group_id = ANY (string_to_array($1, ','))
                OR EXISTS (SELECT FROM unnest(string_to_array($2, ',')) p WHERE starts_with(group_id, p))
            GROUP BY group_id ORDER BY group_id COLLATE "C" LIMIT \(Self.maximumGroups)
            """
        let exact = ids.filter { !$0.hasSuffix("*") }
        postgres.askNow(sql, [exact.joined(separator: ","), prefixes.joined(separator: ",")]) { answer in
            then(
                answer.map { rows in
                    (0..<rows.count).compactMap { row in
                        guard let id = rows.text(row, 0).flatMap({ DriverID($0) }), let drivers = rows.integer(row, 1)
                        else { return nil }
                        return (id, Int(drivers))
                    }
                })
        }
    }
}
