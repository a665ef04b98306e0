/// Areas: topics whose members are the drivers inside, found by a grid instead of by asking every viewer.

extension Fanout {
    /// Counts the areas that were opened and let go of.
    public var areaChanges: Int { areas.changes }

    /// The boxes of all areas that somebody watches, or did a moment ago.
    public var areaBoxes: [Box] {
        topicNumbers.values.compactMap { topics[$0].box }
    }

    /// A new area's members are those inside now who are not offline.
    mutating func openArea(_ topic: TopicIndex, _ box: Box, now: Microseconds) {
        areas.insert(box, topic)
        for driver in drivers.indices {
            guard let position = drivers[driver].position,
                box.contains(latitude: position.latitude, longitude: position.longitude),
                limits.presence(age: now - position.recordedAt) != .offline
            else { continue }
            addMembership(driver, topic, since: 0)
        }
        topics[topic].isLoaded = true
        topics[topic].loadedAt = fence()
    }

    /// A driver may have moved into and out of areas. Called at most once a tick for each driver that was heard.
    mutating func findAreas(of driver: DriverIndex) {
        guard let position = drivers[driver].position else { return }
        var link = drivers[driver].firstMembership
        while link >= 0 {
            let topic = Int(memberships[Int(link)].topic)
            link = memberships[Int(link)].nextOfOther
            if let box = topics[topic].box,
                !box.contains(latitude: position.latitude, longitude: position.longitude)
            {
                leave(driver, topic, now: position.receivedAt)
            }
        }
        areas.find(latitude: position.latitude, longitude: position.longitude, into: &areaCandidates)
        for index in areaCandidates.indices {
            let topic = Int(areaCandidates[index])
            if let box = topics[topic].box,
                box.contains(latitude: position.latitude, longitude: position.longitude),
                membership(of: driver, in: topic) == nil
            {
                join(driver, topic, now: position.receivedAt)
            }
        }
    }
}
