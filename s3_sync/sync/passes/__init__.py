"""The passes over a container database: each selects rows and hands them to a batch.

From outside: ``database.DatabaseCrawl``, which runs them in order. Start at ``cursors``, then ``primary`` and
``verify``.

An example. A container has three replicas, on nodes 0, 1 and 2, and six rows. The hash of each name assigns
two rows to every node: rows 1 and 4 to node 0, 2 and 5 to node 1, 3 and 6 to node 2. Node 2 is down.

1. Primary passes: node 0 sends rows 1 and 4, node 1 sends 2 and 5. Each writes failures and rows that are not
   due to its journal, then moves its ``last_row`` to 6. Rows 3 and 6 remain unsent.
2. A verification slack later, the verify passes of both nodes read rows 1 to 6 and skip their own. Node 0
   compares 2, 3, 5 and 6 with a listing of the store: 2 and 5 match, 3 and 6 are missing, so it sends them.
   Node 1 compares 1, 3, 4 and 6. If it lists just before node 0's upload, it sends 3 and 6 as well, which
   costs two uploads and changes nothing. Both move ``last_verified_row`` to 6.
3. Node 2 comes back with its old cursors. Its primary pass finds rows 3 and 6 older than the slack, so it
   compares them before it sends: both are stored. Its verify pass compares the other four.
4. If node 0 had crashed in step 1, between sending row 1 and moving its cursor, the window in its journal
   would say that rows up to 6 may have been sent: it would compare 1 and 4, and send what is missing.
"""
