-- The state machine: every legal move of a task, what it is called, and who makes it. ARCHITECTURE.md draws this table.
delete from absurd.transition;
insert into absurd.transition (from_state, to_state, event, who) values
--  from         to           event             who
   ('new',       'pending',   'task.spawned',   'client'),
   ('new',       'sleeping',  'task.spawned',   'client: delayed start'),
   ('pending',   'running',   'run.claimed',    'worker'),
   ('sleeping',  'running',   'run.claimed',    'worker: its time came'),
   ('sleeping',  'pending',   'run.woken',      'an event, or the end of an awaited task'),
   ('running',   'completed', 'run.completed',  'worker'),
   ('running',   'failed',    'run.failed',     'worker, or the sweep of an expired lease'),
   ('running',   'pending',   'run.retried',    'worker, or the sweep: retry now'),
   ('running',   'sleeping',  'run.retried',    'worker, or the sweep: retry later'),
   ('running',   'sleeping',  'run.suspended',  'worker: sleep, or wait for an event or a task'),
   ('running',   'sleeping',  'run.put_back',   'worker: a task name it does not know'),
   ('running',   'pending',   'run.released',   'worker: shutting down'),
   ('pending',   'cancelled', 'task.cancelled', 'operator, client, parent, or a cancellation rule'),
   ('sleeping',  'cancelled', 'task.cancelled', 'operator, client, parent, or a cancellation rule'),
   ('running',   'cancelled', 'task.cancelled', 'operator, client, parent, or a cancellation rule'),
   ('failed',    'pending',   'task.retried',   'operator'),
   ('completed', 'purged',    'task.purged',    'clean-up'),
   ('failed',    'purged',    'task.purged',    'clean-up'),
   ('cancelled', 'purged',    'task.purged',    'clean-up'),
   ('pending',   'purged',    'task.purged',    'drop_queue'),
   ('sleeping',  'purged',    'task.purged',    'drop_queue'),
   ('running',   'purged',    'task.purged',    'drop_queue');
