/// What a gateway does with what others tell it over the bus, and what it looks for now and then in case the bus missed it.
import EventLoop
import Tracking

extension Gateway {
    /// A message of the bus, perhaps of this process.
    func heard(_ message: ControlMessage) {
        switch message {
        case .revoked(let id): access.revoke(id)
        case .assigned(let subject):
            assignments.onAnnouncement?(subject)
            orders.heard(of: subject)
        case .happened(let subject): orders.heard(of: subject)
        case .driverState(let driver): onDriverState?(driver)
        case .joined(let id): company.joined(id)
        case .here(let id, let cells): company.heard(id, cells: cells)
        case .left(let id): company.left(id)
        case .erasure:
            erasures.look()
            maintenance?.wake()
        }
    }

    /// Joins what comes over the bus to what it concerns.
    func connect(_ bus: Bus) {
        bus.onMessage = { [unowned self] message in heard(message) }
        bus.onReturn = { [unowned self] in
            company.join()
            access.refresh()
            lookAgain()
        }
        bus.onAbsence = { [unowned self] in company.lose() }
        bus.onPosition = { [unowned self] payload, isNear in heardPosition(payload, isNear) }
        bus.onStanding = { [unowned self] channels in
            interest.stand(channels)
            areaCells.stand(channels)
        }
        bus.onLost = { [unowned self] channels in interest.lose(channels) }
        company.onChange = { [unowned self] isAccompanied in
            pipeline.recency.isAccompanied = isAccompanied
            devices.retell()
        }
        company.onCellsChange = { [unowned self] cells in pipeline.redis.cells.listened(cells) }
        company.onOthers = { [unowned self] areThere, hasMissed in
            if areThere { interest.begin(hasMissed: hasMissed) } else { interest.end() }
            areaCells.look()
        }
    }

    /// Viewers came or went in this turn: others' positions are wanted, or not any more, and devices report at other rates.
    func followViewers() {
        let changes = pipeline.fanout.takeWatchChanges()
        guard !changes.isEmpty else { return }
        interest.follow(changes)
        rates.follow(changes)
    }

    /// A position that another gateway has accepted; or this one, which knows it already.
    private func heardPosition(_ payload: Span<UInt8>, _ isNear: Bool) {
        busPositions += 1
        guard let (id, position) = PublishedPosition.read(payload) else { return }
        if pipeline.drivers.index(of: id) != nil { return follow(position, of: id, isNear: isNear) }
        directory.load([id]) { [self] in follow(position, of: id, isNear: isNear, isNew: true) }
    }

    private func follow(_ position: Position, of id: DriverID, isNear: Bool, isNew: Bool = false) {
        guard let driver = pipeline.drivers.index(of: id), !erasures.hides(position, of: id) else { return }
        let isNews = pipeline.follow(position, of: driver, now: SystemClock.wallMicroseconds())
        // Who reports here comes over the bus too where others watch the same cell, and is not listened to for that.
        if isNear, isNews || isNew || interest.isListening(to: driver) { interest.approach(driver) }
    }

    /// Reads again what others may have changed. Called every `access.refresh_s`, and when the bus is back.
    func lookAgain() {
        memberships.look()
        erasures.look()
        shifts.look()
        orders.events.look()
    }
}
