/// Orders, groups and areas: subjects that lead viewers to drivers, and change whom they lead to.
///
/// A topic holds its members and its watchers; for each pair of them there is an edge. Who joins is told to all
/// watchers with status and position; who leaves is off their edges in the same call, so that nothing of it can follow,
/// and the departure is told next.

extension Fanout {
    /// The most departures that are kept for a viewer who is not told; beyond that its socket is to be closed.
    static let maximumDepartures: Int32 = 10_000

    /// The number of a subject that is no single driver: known, or new and without members.
    public mutating func openTopic(_ subject: Subject, now: Microseconds) -> TopicIndex {
        if let known = topicNumbers[subject] { return known }
        var box: Box?
        if case .area(let area) = subject { box = area.box }
        var name = JSONWriter()
        name.string(subject.name)
        let topic = FanoutTopic(subject: subject, name: name.bytes, box: box, unwatchedAt: now)
        let number: TopicIndex
        if let free = freeTopics.popLast() {
            topics[free] = topic
            number = free
        } else {
            topics.append(topic)
            number = topics.count - 1
        }
        topicNumbers[subject] = number
        if let box { openArea(number, box, now: now) }
        return number
    }

    /// The number of a subject that somebody watches or did a moment ago.
    public func topic(_ subject: Subject) -> TopicIndex? { topicNumbers[subject] }

    /// Whether the topic's members are known; an area's always are.
    public func isLoaded(_ topic: TopicIndex) -> Bool { topics[topic].isLoaded }

    /// Who is in the topic.
    public func members(of topic: TopicIndex) -> [DriverIndex] {
        var members: [DriverIndex] = []
        members.reserveCapacity(Int(topics[topic].memberCount))
        var link = topics[topic].firstMember
        while link >= 0 {
            members.append(Int(memberships[Int(link)].other))
            link = memberships[Int(link)].nextOfTopic
        }
        return members
    }

    /// Whether the driver is in the topic.
    public func isIn(_ driver: DriverIndex, _ topic: TopicIndex) -> Bool { membership(of: driver, in: topic) != nil }

    /// The handles of all who watch the topic.
    public func watchers(of topic: TopicIndex) -> [Int] {
        var handles: [Int] = []
        var link = topics[topic].firstWatcher
        while link >= 0 {
            handles.append(Int(viewers[Int(topicSubscriptions[Int(link)].other)].handle))
            link = topicSubscriptions[Int(link)].nextOfTopic
        }
        return handles
    }

    /// The orders and groups whose members are kept here.
    public var assignableSubjects: [Subject] {
        topicNumbers.keys.filter { if case .area = $0 { false } else { true } }
    }

    /// These and no others are in the topic from now on. Returns whether that is a change of what was known.
    public mutating func setMembers(_ members: [DriverIndex], of topic: TopicIndex, now: Microseconds) -> Bool {
        let isFirst = !topics[topic].isLoaded
        let left = keepMembers(members, of: topic, now: now)
        var came = false
        for driver in members where membership(of: driver, in: topic) == nil {
            if isFirst { addMembership(driver, topic, since: 0) } else { join(driver, topic, now: now) }
            came = true
        }
        if isFirst {
            topics[topic].isLoaded = true
            topics[topic].loadedAt = fence()
        }
        return !isFirst && (left || came)
    }

    /// Nobody but these is in the topic from now on; who is new among them follows with `setMembers`. Returns whether
    /// somebody left.
    public mutating func keepMembers(_ members: [DriverIndex], of topic: TopicIndex, now: Microseconds) -> Bool {
        let kept = Set(members)
        let gone = self.members(of: topic).filter { !kept.contains($0) }
        for driver in gone { leave(driver, topic, now: now) }
        return !gone.isEmpty
    }

    // MARK: Watching

    /// The viewer watches the topic from now on; false where it did already.
    public mutating func subscribe(_ viewer: ViewerIndex, to topic: TopicIndex) -> Bool {
        // The snapshot has what is not distributed yet, and the cursor that goes with it is to cover that.
        distribute()
        defer { distributedThrough = log.end }
        guard subscription(of: viewer, to: topic) == nil else { return false }
        topicSubscriptions.add(
            topic, viewer, firstOfTopic: &topics[topic].firstWatcher, firstOfOther: &viewers[viewer].firstSubscription)
        viewers[viewer].subjectCount += 1
        topics[topic].watcherCount += 1
        topics[topic].unwatchedAt = .max
        for driver in members(of: topic) { _ = lead(viewer, to: driver, through: Int32(topic), isNews: false) }
        return true
    }

    /// The viewer no longer watches the topic; false where it did not.
    public mutating func unsubscribe(_ viewer: ViewerIndex, from topic: TopicIndex, now: Microseconds) -> Bool {
        guard let link = subscription(of: viewer, to: topic) else { return false }
        for driver in members(of: topic) {
            if let edge = edge(from: viewer, to: driver) { part(edge, from: Int32(topic), now: now) }
        }
        forgetDepartures(of: viewer, from: topic)
        removeSubscription(link, now: now)
        return true
    }

    /// The subjects that the viewer watches which are no single driver.
    public func topics(of viewer: ViewerIndex) -> [Subject] {
        var subjects: [Subject] = []
        var link = viewers[viewer].firstSubscription
        while link >= 0 {
            subjects.append(topics[Int(topicSubscriptions[Int(link)].topic)].subject)
            link = topicSubscriptions[Int(link)].nextOfOther
        }
        return subjects
    }

    /// The drivers that the viewer watches by their own names.
    public func driversNamed(by viewer: ViewerIndex) -> [DriverIndex] {
        var named: [DriverIndex] = []
        var edge = viewers[viewer].firstEdge
        while edge >= 0 {
            if composer.sets.contains(SubjectSets.directTopic, in: edges[Int(edge)].set) {
                named.append(Int(edges[Int(edge)].driver))
            }
            edge = edges[Int(edge)].nextOfViewer
        }
        return named
    }

    private func subscription(of viewer: ViewerIndex, to topic: TopicIndex) -> Int? {
        topics[topic].watcherCount < viewers[viewer].subjectCount
            ? topicSubscriptions.find(other: viewer, from: topics[topic].firstWatcher)
            : topicSubscriptions.find(topic: topic, from: viewers[viewer].firstSubscription)
    }

    mutating func removeSubscription(_ link: Int, now: Microseconds) {
        let topic = Int(topicSubscriptions[link].topic)
        let viewer = Int(topicSubscriptions[link].other)
        topicSubscriptions.remove(
            link, firstOfTopic: &topics[topic].firstWatcher, firstOfOther: &viewers[viewer].firstSubscription)
        viewers[viewer].subjectCount -= 1
        topics[topic].watcherCount -= 1
        if topics[topic].watcherCount == 0 { topics[topic].unwatchedAt = now }
    }

    /// Lets go of topics that nobody has watched for as long as a viewer may be away and resume.
    mutating func forgetTopics(now: Microseconds) {
        for topic in topics.indices where now - topics[topic].unwatchedAt >= ReplayLog.span {
            // A free number's time is the far future.
            for driver in members(of: topic) { removeMembership(membership(of: driver, in: topic)) }
            if let box = topics[topic].box { areas.remove(box, topic) }
            topicNumbers[topics[topic].subject] = nil
            topics[topic].unwatchedAt = .max
            topics[topic].isLoaded = false
            freeTopics.append(topic)
        }
    }
}
