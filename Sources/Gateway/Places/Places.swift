/// Brings the drivers whom a question by place is about into this process, with their newest positions: another gateway may
/// be the one that they report to.
///
/// A gateway that is alone reads the GEO set once and knows everybody from then on. In company it asks for each question
/// whom the set has there. What is answered is decided by the positions themselves, as they are known here then.
import EventLoop
import RedisClient
import Tracking

/// See the file's head. Lives on the loop's thread.
final class Places {
    /// For how long a reading of all drivers is good in company, in microseconds: feeds are as old as that as regards
    /// drivers who report to other gateways.
    private static let fleetLife: Microseconds = 1_000_000
    /// The most drivers that one question looks whether they are dead.
    private static let maximumChecks = 200

    private unowned let gateway: Gateway
    private let hash: KeyTemplate
    /// Whether every driver of the GEO set is known here: alone, since the set was last read.
    private var knowsAll = false
    /// When all drivers were last read, in monotonic microseconds.
    private var fleetReadAt: Microseconds = .min / 2
    /// Those who wait for the reading that is under way.
    private var waiters: [() -> Void]?
    /// Drivers who have fallen silent here, of whom others are asked.
    private var isSweeping = false

    init(gateway: Gateway) {
        self.gateway = gateway
        hash = KeyTemplate(gateway.configuration.redisLocationKey)
    }

    /// How far a driver may be from where the GEO set has him, in metres: what he drives between two rounds of writing, at
    /// 100 m/s, and what the set's scores leave out.
    var slack: Double { 50 + 0.1 * Double(gateway.configuration.redisWriteIntervalMilliseconds) }

    private var keys: GeoKeys { gateway.pipeline.redis.geo.keys }

    /// The oldest receipt of a driver who is not offline.
    var deadline: Microseconds {
        SystemClock.wallMicroseconds() - Int64(gateway.configuration.liveOfflineSeconds) * 1_000_000
    }

    /// The GEO set may hold others than are known here.
    func redisReturned() {
        knowsAll = false
        fleetReadAt = .min / 2
    }

    // MARK: By place

    /// What a question by place has to look at.
    struct Found {
        /// Who may be inside, each once, with where he was last known to be, perhaps beside it.
        var candidates: [GeoMember] = []
        /// What the GEO set has there; `prune` it once the positions are known.
        var members: [GeoMember] = []
    }

    /// Calls `then` once every driver inside the box is known here with his newest position: for who watches an area.
    func bring(_ box: Box, then: @escaping () -> Void) {
        find(in: box) { [self] found in
            gateway.directory.refresh(found.candidates.map(\.id)) { [self] in
                prune(found.members)
                then()
            }
        }
    }

    /// Who may be inside the box.
    func find(in box: Box, then: @escaping (Found) -> Void) {
        let box = box.widened(by: slack)
        guard gateway.company.isAccompanied else {
            return bringAll { [self] in then(Found(candidates: known(in: box, besides: []))) }
        }
        GeoSearch.members(in: box, gateway.redis, keys) { [self] members in
            var found = Found(members: members)
            var isFound: Set<DriverID> = []
            for member in members where isFound.insert(member.id).inserted { found.candidates.append(member) }
            found.candidates += known(in: box, besides: isFound)
            then(found)
        }
    }

    /// Those who were last heard of inside the box, as far as this process knows.
    private func known(in box: Box, besides others: Set<DriverID>) -> [GeoMember] {
        let pipeline = gateway.pipeline
        let deadline = deadline
        var found: [GeoMember] = []
        for driver in 0..<pipeline.fanout.driverCount {
            guard let position = pipeline.fanout.position(of: driver), position.receivedAt >= deadline,
                box.contains(latitude: position.latitude, longitude: position.longitude),
                !others.contains(pipeline.drivers.id(of: driver))
            else { continue }
            let cell = keys.cell(latitude: position.latitude, longitude: position.longitude)
            found.append(
                GeoMember(
                    id: pipeline.drivers.id(of: driver), latitude: position.latitude, longitude: position.longitude,
                    cell: cell))
        }
        return found
    }

    // MARK: All of them

    /// Calls `then` once every driver who is not offline, and who went offline within a day, is known here with his newest
    /// position.
    func bringAll(then: @escaping () -> Void) {
        let isAccompanied = gateway.company.isAccompanied
        if knowsAll, !isAccompanied { return then() }
        guard SystemClock.monotonicMicroseconds() - fleetReadAt > Self.fleetLife else { return then() }
        if waiters != nil {
            waiters?.append(then)
            return
        }
        guard let redis = gateway.redis, redis.isReady else { return then() }
        waiters = [then]
        GeoSearch.members(in: .globe, redis, keys) { [self] members in
            gateway.directory.refresh(Array(Set(members.map(\.id)))) { [self] in
                prune(members)
                DepartedDrivers(keys: keys).list(redis, now: SystemClock.wallMicroseconds()) { [self] departed in
                    bringDeparted(departed) { [self] in
                        knowsAll = !isAccompanied && !gateway.company.isAccompanied && redis.isReady
                        fleetReadAt = SystemClock.monotonicMicroseconds()
                        let waiting = waiters ?? []
                        waiters = nil
                        for then in waiting { then() }
                    }
                }
            }
        }
    }

    /// Whoever is not known as he was when he went offline. Nothing comes of him any more: he is asked for once.
    private func bringDeparted(_ departed: [(id: DriverID, recordedAt: Microseconds)], then: @escaping () -> Void) {
        let pipeline = gateway.pipeline
        let missing = departed.filter { driver in
            guard let index = pipeline.drivers.index(of: driver.id) else { return true }
            guard let position = pipeline.fanout.position(of: index) else { return false }
            return position.recordedAt / 1_000 < driver.recordedAt / 1_000
        }
        gateway.directory.refresh(missing.map(\.id), then: then)
    }

    // MARK: The dead

    /// Takes members out of the GEO set who are not where it has them: a gateway that was killed has left them, or one to
    /// which the driver does not report any more. Called when the positions are known.
    func prune(_ members: [GeoMember]) {
        let pipeline = gateway.pipeline
        let deadline = deadline
        var strays: [GeoMember] = []
        var checks = 0
        for member in members where checks < Self.maximumChecks {
            let position = pipeline.drivers.index(of: member.id).flatMap { pipeline.fanout.position(of: $0) }
            if let position, position.receivedAt >= deadline {
                guard isStray(member, position) else { continue }
                strays.append(member)
            } else {
                removeIfDead(member, position?.recordedAt)
            }
            checks += 1
        }
        guard !strays.isEmpty else { return }
        // What is a second old may be behind the cell that he was just put into.
        gateway.directory.reread(strays.map(\.id)) { [self] in
            for member in strays {
                let position = pipeline.drivers.index(of: member.id).flatMap { pipeline.fanout.position(of: $0) }
                guard let position, isStray(member, position) else { continue }
                gateway.redis?.send(["ZREM", keys.key(of: member.cell), member.id.string]) { _ in }
            }
        }
    }

    /// Whether somebody has put the driver into another cell since.
    private func isStray(_ member: GeoMember, _ position: Position) -> Bool {
        keys.isCut && keys.cell(latitude: position.latitude, longitude: position.longitude) != member.cell
    }

    /// The hash outlives the driver's being online; where it is gone, he is. While it is there its gateway may have heard of
    /// him though the fix is old.
    private func removeIfDead(_ member: GeoMember, _ recordedAt: Microseconds?) {
        guard let redis = gateway.redis else { return }
        redis.send(["EXISTS", hash.string(for: member.id)]) { [self] reply in
            guard case .integer(0) = reply else { return }
            leave([(member.id, member.cell, recordedAt)])
        }
    }

    /// Once a second: takes drivers out of the GEO set who were not heard of since `live.offline_s`. In company one of whom
    /// nothing was heard here may be alive through another gateway.
    func everySecond(now: Microseconds) {
        if gateway.company.isAccompanied { knowsAll = false }
        guard !isSweeping, let redis = gateway.redis, redis.hasRoom else { return }
        let pipeline = gateway.pipeline
        let silent = pipeline.redis.geo.silent(pipeline.fanout, before: deadline)
        guard !silent.isEmpty else { return }
        guard gateway.company.isAccompanied else { return sweep(silent) }
        isSweeping = true
        gateway.directory.refresh(silent.map { pipeline.drivers.id(of: $0) }) { [self] in
            isSweeping = false
            sweep(silent)
        }
    }

    private func sweep(_ silent: [DriverIndex]) {
        let pipeline = gateway.pipeline
        let deadline = deadline
        var left: [(DriverID, GeoKeys.Cell, Microseconds?)] = []
        for driver in silent {
            guard let cell = pipeline.redis.geo.cell(of: driver) else { continue }
            let position = pipeline.fanout.position(of: driver)
            pipeline.redis.geo.forget(driver)
            if let position, position.receivedAt >= deadline {
                // He reports elsewhere, and there he is entered.
                let current = keys.cell(latitude: position.latitude, longitude: position.longitude)
                if cell != current {
                    gateway.redis?.send(["ZREM", keys.key(of: cell), pipeline.drivers.id(of: driver).string]) { _ in }
                }
                continue
            }
            left.append((pipeline.drivers.id(of: driver), cell, position?.recordedAt))
        }
        pipeline.redis.geo.swept += left.count
        leave(left)
    }

    /// Takes drivers out of the set, onto the list of those who have gone offline.
    private func leave(_ drivers: [(id: DriverID, cell: GeoKeys.Cell, recordedAt: Microseconds?)]) {
        guard !drivers.isEmpty, let redis = gateway.redis else { return }
        var commands = RedisCommands()
        for driver in drivers { commands.command(["ZREM", keys.key(of: driver.cell), driver.id.string]) }
        redis.send(commands)
        let departed = drivers.compactMap { driver in driver.recordedAt.map { (id: driver.id, recordedAt: $0) } }
        redis.send(DepartedDrivers(keys: keys).enter(departed, now: SystemClock.wallMicroseconds()))
    }
}
