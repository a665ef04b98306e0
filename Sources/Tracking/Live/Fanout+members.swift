/// Drivers that join and leave topics, and how their viewers hear of it.

extension Fanout {
    /// The driver is in the topic from now on; its watchers are told status and position.
    mutating func join(_ driver: DriverIndex, _ topic: TopicIndex, now: Microseconds) {
        // The members of an area come and go all the time: they keep to the rate that the viewer asked for.
        let isUrgent = topics[topic].box == nil
        keepLog(of: driver, now: now)
        if !isUrgent, let position = drivers[driver].position {
            // The position that took the driver into the area is the first one in it.
            addMembership(driver, topic, since: newestEntry(of: driver, position))
        } else {
            addMembership(driver, topic, since: fence())
        }
        var link = topics[topic].firstWatcher
        while link >= 0 {
            let viewer = Int(topicSubscriptions[Int(link)].other)
            _ = lead(viewer, to: driver, through: Int32(topic), isNews: true)
            if isUrgent { viewers[viewer].lastWriteAt = .min / 2 }
            link = topicSubscriptions[Int(link)].nextOfTopic
        }
    }

    /// The driver is no longer in the topic: from this call on its watchers get nothing of it through the topic.
    mutating func leave(_ driver: DriverIndex, _ topic: TopicIndex, now: Microseconds) {
        removeMembership(membership(of: driver, in: topic))
        topics[topic].lastLossAt = fence()
        let isUrgent = topics[topic].box == nil
        var link = topics[topic].firstWatcher
        while link >= 0 {
            let viewer = Int(topicSubscriptions[Int(link)].other)
            if let edge = edge(from: viewer, to: driver) { part(edge, from: Int32(topic), now: now) }
            addDeparture(of: driver, from: topic, for: viewer)
            if isUrgent { viewers[viewer].lastWriteAt = .min / 2 }
            link = topicSubscriptions[Int(link)].nextOfTopic
        }
    }

    // MARK: Membership

    /// The driver's place in the topic; nil where it has none.
    func membership(of driver: DriverIndex, in topic: TopicIndex) -> Int? {
        memberships.find(topic: topic, from: drivers[driver].firstMembership)
    }

    mutating func addMembership(_ driver: DriverIndex, _ topic: TopicIndex, since: UInt64) {
        memberships.add(
            topic, driver, since: since, firstOfTopic: &topics[topic].firstMember,
            firstOfOther: &drivers[driver].firstMembership)
        topics[topic].memberCount += 1
    }

    mutating func removeMembership(_ link: Int?) {
        guard let link else { return }
        let topic = Int(memberships[link].topic)
        let driver = Int(memberships[link].other)
        memberships.remove(
            link, firstOfTopic: &topics[topic].firstMember, firstOfOther: &drivers[driver].firstMembership)
        topics[topic].memberCount -= 1
    }

    // MARK: Departures

    private mutating func addDeparture(of driver: DriverIndex, from topic: TopicIndex, for viewer: ViewerIndex) {
        guard viewers[viewer].departureCount < Self.maximumDepartures else {
            if viewers[viewer].departureCount == Self.maximumDepartures {
                viewers[viewer].departureCount += 1
                overrun.append(viewer)
            }
            return
        }
        let departure = Departure(
            topic: Int32(topic), driver: Int32(driver), next: viewers[viewer].firstDeparture)
        if freeDeparture >= 0 {
            let link = Int(freeDeparture)
            freeDeparture = departures[link].next
            departures[link] = departure
            viewers[viewer].firstDeparture = Int32(link)
        } else {
            departures.append(departure)
            viewers[viewer].firstDeparture = Int32(departures.count - 1)
        }
        viewers[viewer].departureCount += 1
        owe(viewer)
        markReady(viewer)
    }

    /// The handles of viewers that missed more departures than are kept, since the last call.
    public mutating func takeOverrun() -> [Int] {
        defer { overrun.removeAll() }
        return overrun.map { Int(viewers[$0].handle) }.filter { $0 >= 0 }
    }

    mutating func clearDepartures(_ viewer: ViewerIndex) {
        guard viewers[viewer].firstDeparture >= 0 else { return }
        var link = viewers[viewer].firstDeparture
        while link >= 0 {
            let next = departures[Int(link)].next
            departures[Int(link)].next = freeDeparture
            freeDeparture = link
            link = next
        }
        viewers[viewer].firstDeparture = -1
        viewers[viewer].departureCount = 0
    }

    /// The viewer no longer watches the topic: what left it is no news any more.
    mutating func forgetDepartures(of viewer: ViewerIndex, from topic: TopicIndex) {
        var kept: Int32 = -1
        var link = viewers[viewer].firstDeparture
        while link >= 0 {
            let next = departures[Int(link)].next
            if departures[Int(link)].topic == Int32(topic) {
                departures[Int(link)].next = freeDeparture
                freeDeparture = link
                viewers[viewer].departureCount -= 1
            } else {
                departures[Int(link)].next = kept
                kept = link
            }
            link = next
        }
        // Turned around twice keeps the order of the rest.
        var turned: Int32 = -1
        while kept >= 0 {
            let next = departures[Int(kept)].next
            departures[Int(kept)].next = turned
            turned = kept
            kept = next
        }
        viewers[viewer].firstDeparture = turned
        if !viewers[viewer].hasPending { viewers[viewer].isOwed = false }
    }
}
