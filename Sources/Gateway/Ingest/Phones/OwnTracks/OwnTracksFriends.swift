/// Who a phone's friends are: the others of its driver's groups, in the reply to each of its own messages, which is the only
/// way in which OwnTracks hears of them over HTTP.
import EventLoop
import PostgresClient
import Tracking

/// Finds them, and writes them out. Lives on the loop's thread.
final class OwnTracksFriends {
    /// The most friends of one phone, by their ids: some 30 KiB in each reply.
    static let maximumFriends = 100
    /// The most friendships that are kept, of some 80 bytes each; beyond it all are asked for again.
    private static let limit = 200_000
    /// Friends who were not heard of for longer are left out.
    private static let maximumAge: Microseconds = 86_400_000_000
    /// How long an answer of Postgres is waited for, which the phone's own position waits for too.
    private static let deadlineMilliseconds = 1_000

    private unowned let gateway: Gateway
    private let sql: String
    private var known: [DriverID: (ids: [DriverID], until: Microseconds)] = [:]
    private var count = 0

    init(gateway: Gateway) {
        self.gateway = gateway
        sql = """
            SELECT DISTINCT other.driver_id FROM \(quotedIdentifier(gateway.configuration.postgresSchema)).driver_groups own
            JOIN \(quotedIdentifier(gateway.configuration.postgresSchema)).driver_groups other USING (group_id)
            WHERE own.driver_id = $1 AND other.driver_id <> $1 ORDER BY 1 LIMIT \(Self.maximumFriends)
            """
    }

    /// The friends of a driver, asked for anew every `access.refresh_s`; while Postgres is away those of before, or none. At
    /// once where nothing has to be asked.
    func find(of driver: DriverID?, then: @escaping ([DriverID]) -> Void) {
        guard let driver, gateway.configuration.phonesFriends else { return then([]) }
        let now = SystemClock.monotonicMicroseconds()
        let tell: ([DriverID]) -> Void = { [gateway] ids in
            // Those who are new to this process are in the next reply; the others as they are now, whichever gateway they
            // report to.
            let known = ids.filter { gateway.pipeline.drivers.index(of: $0) != nil }
            if known.count < ids.count { gateway.directory.load(ids) {} }
            gateway.directory.refresh(known) { then(ids) }
        }
        if let friends = known[driver], friends.until > now { return tell(friends.ids) }
        let answered: PostgresQuestions.Answer = { [weak self] answer in
            guard let self else { return then([]) }
            // One who is not answered in time is not asked again at once, for every message of every phone.
            let ids =
                (try? answer.get()).map { rows in
                    (0..<rows.count).compactMap { rows.text($0, 0).flatMap { DriverID($0) } }
                } ?? known[driver]?.ids ?? []
            learn(ids, of: driver)
            tell(ids)
        }
        guard let postgres = gateway.postgres, postgres.isConnected,
            postgres.ask(sql, [driver.string], deadlineMilliseconds: Self.deadlineMilliseconds, then: answered)
        else { return tell(known[driver]?.ids ?? []) }
    }

    private func learn(_ ids: [DriverID], of driver: DriverID) {
        if count + ids.count > Self.limit {
            known.removeAll()
            count = 0
        }
        let seconds = Int64(gateway.configuration.accessRefreshSeconds)
        let until = SystemClock.monotonicMicroseconds() + seconds * 1_000_000
        count += ids.count - (known.updateValue((ids, until), forKey: driver)?.ids.count ?? 0)
    }

    /// Appends the array: of each friend whose position is known, who it is and where.
    static func append(_ friends: [DriverID], _ pipeline: Pipeline, to writer: inout JSONWriter) {
        let oldest = SystemClock.wallMicroseconds() - maximumAge
        writer.raw("[")
        let start = writer.bytes.count
        for (driver, trackerID) in zip(friends, trackerIDs(of: friends)) {
            guard let index = pipeline.drivers.index(of: driver), let position = pipeline.fanout.position(of: index),
                position.recordedAt > oldest
            else { continue }
            if writer.bytes.count > start { writer.raw(",") }
            writer.raw("{\"_type\":\"card\",\"tid\":")
            writer.string(trackerID)
            writer.raw(",\"name\":")
            writer.id(driver)
            writer.raw("},")
            OwnTracksLocation(position, of: driver, trackerID: trackerID).append(to: &writer, .friend)
        }
        writer.raw("]")
    }

    /// The apps keep friends apart by these two characters: where two ids end alike, the later one gets its last character
    /// with another before it.
    static func trackerIDs(of friends: [DriverID]) -> [String] {
        var taken: Set<String> = []
        return friends.map { driver in
            let usual = OwnTracksLocation.trackerID(of: driver)
            let last = usual.suffix(1)
            let others = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".lazy
            let free = ([usual] + others.map { "\($0)\(last)" } + others.map { "\(last)\($0)" })
                .first { !taken.contains($0) }
            // Of a hundred there is always one free: those after the first are 62 with the same last character, and as many
            // with the same first.
            let chosen = free ?? usual
            taken.insert(chosen)
            return chosen
        }
    }
}
